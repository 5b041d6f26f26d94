-- GET <prefix><user><suffix> with a key: the users u<first> … u<first + count - 1>, over and over.
-- Arguments: prefix, suffix, key, first, count. Each thread has its own part of the users.
local prefix, suffix, first, count, n = "", "", 0, 1, 0
local threads = 0
function setup(thread)
  thread:set("index", threads)
  threads = threads + 1
end
function init(args)
  prefix, suffix = args[1], args[2]
  wrk.headers["Authorization"] = "Bearer " .. args[3]
  count = math.floor(tonumber(args[5]) / 2)
  first = tonumber(args[4]) + index * count
end
function request()
  local user = first + n % count
  n = n + 1
  return wrk.format("GET", prefix .. "u" .. user .. suffix)
end
