-- POST one line of <file>.<thread> per request, from the top again when the file ends.
-- Arguments: path, file, key. A line is a body, or a Stripe-Signature, a tab and a body.
local path, file, lines
local threads = 0
function setup(thread)
  thread:set("index", threads)
  threads = threads + 1
end
function init(args)
  path, file = args[1], args[2] .. "." .. index
  lines = io.lines(file)
  wrk.headers["Content-Type"] = "application/json"
  if args[3] ~= "" then wrk.headers["Authorization"] = "Bearer " .. args[3] end
end
function request()
  local line = lines()
  if line == nil then
    lines = io.lines(file)
    line = lines()
  end
  local tab = string.find(line, "\t", 1, true)
  if tab then
    wrk.headers["Stripe-Signature"] = string.sub(line, 1, tab - 1)
    line = string.sub(line, tab + 1)
  end
  return wrk.format("POST", path, nil, line)
end
