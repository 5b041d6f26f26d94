-- POST {"user_id": "u<n>", "feature": …, "amount": 1} with a key; the users as in get.lua.
-- Arguments: path, feature, key, first, count.
local path, tail, first, count, n = "", "", 0, 1, 0
local threads = 0
function setup(thread)
  thread:set("index", threads)
  threads = threads + 1
end
function init(args)
  path = args[1]
  tail = '","feature":"' .. args[2] .. '","amount":1}'
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Authorization"] = "Bearer " .. args[3]
  count = math.floor(tonumber(args[5]) / 2)
  first = tonumber(args[4]) + index * count
end
function request()
  local user = first + n % count
  n = n + 1
  return wrk.format("POST", path, nil, '{"user_id":"u' .. user .. tail)
end
