-- A part of the status line, kept true by the daemon's events instead of by asking.

local socket = require("ac_cred.socket")
local uv = vim.uv or vim.loop
local M = {}

--- How long to wait before a lost watch is taken up again, in milliseconds.
local PAUSE_MS = 5000

local known, close, watched

local function shown(seconds)
  if seconds >= 3600 then
    return math.floor(seconds / 3600) .. "h"
  end
  return math.floor(seconds / 60) .. "m"
end

local function hear(event)
  if event.event == "renewed" or event.event == "expiring" then
    known = { organization = event.organization, ends = os.time() + event.expires_in }
  elseif event.event == "expired" or event.event == "logged_out" then
    known = nil
  elseif event.event == "login_needed" then
    known = { organization = event.organization, why = "login" }
  elseif event.event == "locked" then
    known = { organization = watched, why = "locked" }
  elseif event.event == "unlocked" then
    known = nil
  end
  vim.cmd("redrawstatus")
end

local function watch(organization)
  watched = organization
  close = socket.open({ { watch = { organization = organization } } }, function(message, _, code)
    if message and message.event then
      return hear(message.event)
    end
    known = nil
    if close then
      local ended = close
      close = nil
      ended()
    end
    if code ~= "ended" then
      local timer = uv.new_timer()
      timer:start(PAUSE_MS, 0, vim.schedule_wrap(function()
        timer:close()
        M.start(organization)
      end))
    end
  end)
end

--- Begins to listen, once.
function M.start(organization)
  if not close then
    watch(organization)
  end
end

--- Stops listening.
function M.stop()
  if close then
    local ended = close
    close = nil
    ended()
  end
  known = nil
end

--- Such as `acme 59m`, `acme login`, or nothing; it never waits.
function M.component(organization)
  organization = organization or require("ac_cred").options().organization
  M.start(organization)
  if not known then
    return ""
  end
  if known.why then
    return ("%s %s"):format(known.organization or "ac-cred", known.why)
  end
  local left = known.ends - os.time()
  return left > 0 and ("%s %s"):format(known.organization, shown(left)) or ""
end

return M
