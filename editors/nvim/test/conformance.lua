-- Runs the conformance steps named by AC_CRED_STEPS with this plugin's own socket, and says what
-- came of each.

local socket = require("ac_cred.socket")

local forms = {
  ["<token>"] = function(value)
    return type(value) == "string" and value:match("^[%w%-%._~%+/=]+$")
  end,
  ["<time>"] = function(value)
    return type(value) == "string" and value:match("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$")
  end,
  ["<text>"] = function(value)
    return type(value) == "string"
  end,
  ["<number>"] = function(value)
    return type(value) == "number" and value % 1 == 0
  end,
  ["<any>"] = function()
    return true
  end,
}

local function fits(expected, value)
  if forms[expected] then
    return forms[expected](value)
  end
  if type(expected) ~= "table" then
    return expected == value
  end
  if type(value) ~= "table" then
    return false
  end
  for key in pairs(value) do
    if expected[key] == nil then
      return false
    end
  end
  for key, inner in pairs(expected) do
    if value[key] == nil or not fits(inner, value[key]) then
      return false
    end
  end
  return true
end

local function run(step)
  local heard, closed = {}, false
  local close = socket.open(step.send, function(message, _, code)
    if message then
      table.insert(heard, message)
    elseif code ~= "ended" then
      closed = true
    end
  end)
  local done = vim.wait(20000, function()
    return closed or (#heard >= #step.expect and not step.closed)
  end, 5)
  close()
  assert(done, "nothing came for 20 seconds")
  assert(#heard == #step.expect, ("%d messages instead of %d"):format(#heard, #step.expect))
  for index, expected in ipairs(step.expect) do
    assert(fits(expected, heard[index]), vim.json.encode(heard[index]))
  end
end

local file = assert(io.open(os.getenv("AC_CRED_STEPS")))
local steps = vim.json.decode(file:read("*a")).steps
file:close()
local failed = 0
for _, step in ipairs(steps) do
  local ok, why = pcall(run, step)
  print(("%s: %s\n"):format(step.name, ok and "ok" or "FAILED: " .. why))
  failed = failed + (ok and 0 or 1)
end
print(("%d passed, %d failed\n"):format(#steps - failed, failed))
vim.cmd(failed == 0 and "qall!" or "cquit!")
