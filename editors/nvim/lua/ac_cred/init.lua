-- Appcircle session tokens in Neovim, from the daemon of ac-cred.

local socket = require("ac_cred.socket")
local M = {}

local options = {
  --- The organization that is meant where none is named; nil leaves it to ac-cred.
  organization = nil,
  --- The program that starts the daemon.
  program = "ac-cred",
  --- How long an answer may take, in milliseconds.
  wait_ms = 8000,
}

--- Changes options: `organization`, `program`, `wait_ms`.
function M.setup(said)
  options = vim.tbl_extend("force", options, said or {})
end

--- The options in force.
function M.options()
  return options
end

local function named(organization)
  return organization or options.organization
end

--- Has ac-cred start the daemon; `done(why)` with nil when it runs.
local function start_daemon(done)
  local said = {}
  local function hear(_, lines)
    vim.list_extend(said, lines or {})
  end
  local ok, job = pcall(vim.fn.jobstart, { options.program, "daemon", "start" }, {
    on_stderr = hear,
    on_exit = function(_, code)
      if code == 0 then
        return done(nil)
      end
      local why = vim.trim(table.concat(said, " "))
      done(why ~= "" and why or (options.program .. " daemon start failed"))
    end,
  })
  if not ok or job <= 0 then
    done(options.program .. " cannot be started; is it installed?")
  end
end

--- Sends a request, starting the daemon where there is none; `done(answers)` or
--- `done(nil, why, code)`.
function M.request(request, done)
  socket.ask(request, options.wait_ms, function(answers, why, code)
    if answers or code ~= "daemon_unreachable" then
      return done(answers, why, code)
    end
    start_daemon(function(refusal)
      if refusal then
        return done(nil, refusal, code)
      end
      socket.ask(request, options.wait_ms, done)
    end)
  end)
end

local function get(organization, said)
  local fields = { organization = named(organization), wait_ms = options.wait_ms }
  if said then
    fields.min_ttl = said.min_ttl
    fields.refresh = said.refresh
  end
  return { get = fields }
end

--- Hands the lease of an organization to `done(lease)`, or `done(nil, why, code)`.
--- `said.min_ttl` demands so many seconds of life, `said.refresh` a new token.
function M.with_lease(organization, done, said)
  M.request(get(organization, said), function(answers, why, code)
    done(answers and answers[1].lease, why, code)
  end)
end

--- Hands the token of an organization to `done(token)`, or `done(nil, why, code)`.
function M.with_token(organization, done, said)
  M.with_lease(organization, function(lease, why, code)
    done(lease and lease.access_token, why, code)
  end, said)
end

--- Waits for an asynchronous function that calls back once; returns what it was called with.
local function wait(begin)
  local result
  begin(function(...)
    result = { n = select("#", ...), ... }
  end)
  vim.wait(options.wait_ms * 3, function()
    return result ~= nil
  end, 5)
  if not result then
    return nil, "ac-cred did not answer in time", "daemon_unreachable"
  end
  return unpack(result, 1, result.n)
end

--- The token of an organization, or nil and why; the editor waits for it.
function M.token(organization, said)
  return wait(function(done)
    M.with_token(organization, done, said)
  end)
end

--- Replaces a token that the API answered with 401; `done(true)` or `done(nil, why, code)`.
function M.reject(organization, token, done)
  local fields = { organization = named(organization), token = token, wait_ms = options.wait_ms }
  M.request({ reject = fields }, function(answers, why, code)
    done(answers and true, why, code)
  end)
end

--- What is known of the daemon and the organizations; the editor waits for it.
--- `{ daemon = …, organizations = { … } }`, or nil and why.
function M.status()
  local answers, why, code = wait(function(done)
    socket.ask({ status = {} }, options.wait_ms, done)
  end)
  if not answers then
    return nil, why, code
  end
  local status = { organizations = {} }
  for _, answer in ipairs(answers) do
    status.daemon = answer.daemon or status.daemon
    if answer.organization then
      table.insert(status.organizations, answer.organization)
    end
  end
  return status
end

--- The names of the organizations; none where there is no daemon.
function M.names()
  local names = {}
  local answers = wait(function(done)
    socket.ask({ list = {} }, options.wait_ms, done)
  end)
  for _, answer in ipairs(answers or {}) do
    if answer.name then
      table.insert(names, answer.name.organization)
    end
  end
  return names
end

return M
