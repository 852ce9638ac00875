-- The command :AcCred and what it can be followed by.

local ac_cred = require("ac_cred")
local M = {}

local function say(text)
  vim.notify("ac-cred: " .. text, vim.log.levels.INFO)
end

local function complain(text)
  vim.notify("ac-cred: " .. text, vim.log.levels.ERROR)
end

--- What a person has to answer happens in a terminal, where it is not echoed.
local function in_terminal(words)
  vim.cmd("botright new")
  vim.fn.termopen(vim.list_extend({ ac_cred.options().program }, words))
  vim.cmd("startinsert")
end

local function life(token)
  if token == vim.NIL then
    return "no token"
  end
  return ("a token for %d min"):format(math.floor(token.expires_in / 60))
end

local commands = {}

function commands.status()
  local status, why = ac_cred.status()
  if not status then
    return complain(why)
  end
  local lines = {}
  for _, of in ipairs(status.organizations) do
    local mark = of.default and "*" or " "
    table.insert(lines, ("%s %s: %s, in %s"):format(mark, of.organization, life(of.token), of.store))
  end
  if #lines == 0 then
    table.insert(lines, "no organization is known; run: ac-cred login ORG")
  end
  local daemon = status.daemon
  local locked = daemon.locked and ", locked" or ""
  table.insert(lines, ("daemon %s, pid %d%s"):format(daemon.version, daemon.pid, locked))
  say(table.concat(lines, "\n"))
end

function commands.copy(organization)
  ac_cred.with_token(organization, function(token, why)
    if not token then
      return complain(why)
    end
    local ok = pcall(vim.fn.setreg, "+", token)
    if not ok or vim.fn.getreg("+") ~= token then
      return complain("there is no clipboard; see :help clipboard")
    end
    say("the token is in the clipboard")
  end)
end

function commands.reject(organization)
  ac_cred.reject(organization, nil, function(done, why)
    if not done then
      return complain(why)
    end
    say("the token was replaced")
  end)
end

function commands.lock()
  ac_cred.request({ lock = {} }, function(answers, why)
    if not answers then
      return complain(why)
    end
    say("locked: no secret is in memory until :AcCred unlock")
  end)
end

function commands.unlock()
  in_terminal({ "unlock" })
end

function commands.login(organization)
  in_terminal(organization and { "login", organization } or { "login" })
end

--- Does what was typed behind :AcCred.
function M.run(words)
  local name = words[1] or "status"
  local command = commands[name]
  if not command then
    return complain(("there is no :AcCred %s; see :help :AcCred"):format(name))
  end
  command(words[2])
end

local function beginning_with(lead, names)
  return vim.tbl_filter(function(name)
    return vim.startswith(name, lead)
  end, names)
end

--- What can be typed next.
function M.complete(lead, line)
  local words = vim.split(line, "%s+", { trimempty = true })
  local typed = #words - (lead == "" and 0 or 1)
  if typed == 1 then
    local names = vim.tbl_keys(commands)
    table.sort(names)
    return beginning_with(lead, names)
  end
  return typed == 2 and beginning_with(lead, ac_cred.names()) or {}
end

return M
