-- :checkhealth ac_cred

local socket = require("ac_cred.socket")
local M = {}

-- Neovim 0.10 has renamed these.
local health = vim.health
local start = health and health.start or require("health").report_start
local ok = health and health.ok or require("health").report_ok
local warn = health and health.warn or require("health").report_warn
local error = health and health.error or require("health").report_error

local function check_program()
  local program = require("ac_cred").options().program
  local version = vim.fn.executable(program) == 1 and vim.fn.systemlist({ program, "--version" })
  if version and vim.v.shell_error == 0 then
    ok(("%s is %s"):format(vim.fn.exepath(program), version[1]))
  else
    error(program .. " is not found", { "put ac-cred on the PATH, or name it in setup({ program = … })" })
  end
end

local function check_daemon()
  for _, path in ipairs(socket.candidates()) do
    local refusal = socket.refusal(path)
    if refusal then
      error(refusal)
    end
  end
  local status, why = require("ac_cred").status()
  if not status then
    return warn(why, { "it is started when a token is asked for" })
  end
  ok(("the daemon %s listens at %s"):format(status.daemon.version, status.daemon.socket))
  if status.daemon.locked then
    warn("credentials are locked", { "run: ac-cred unlock" })
  end
  if #status.organizations == 0 then
    warn("no organization is known", { "run: ac-cred login ORG" })
  end
  for _, of in ipairs(status.organizations) do
    local last = of.last_exchange
    if last ~= vim.NIL and last.outcome ~= "ok" then
      warn(("the last exchange of %s ended with %s"):format(of.organization, last.outcome), { "run: ac-cred doctor" })
    else
      ok(("%s rests in %s"):format(of.organization, of.store))
    end
  end
end

--- Checks the program, the daemon and the organizations.
function M.check()
  start("ac-cred")
  check_program()
  check_daemon()
end

return M
