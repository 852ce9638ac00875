-- The daemon's socket: where it is, whether it may be spoken to, and requests as JSON lines.

local uv = vim.uv or vim.loop
local M = {}

--- The name of the socket of wire version 1.
local NAME = "v1.sock"

--- How much longer than its own deadline the daemon is given to answer, in milliseconds.
local GRACE_MS = 1000

local function home()
  local ok, entry = pcall(uv.os_get_passwd)
  return ok and entry.homedir or nil
end

local function mac_temporary_directory()
  if uv.os_uname().sysname ~= "Darwin" then
    return nil
  end
  local lines = vim.fn.systemlist({ "/usr/bin/getconf", "DARWIN_USER_TEMP_DIR" })
  return vim.v.shell_error == 0 and lines[1] or nil
end

--- The places where the daemon may listen, the best first.
--- The environment of an editor is often not that of a shell, so only AC_CRED_SOCKET is asked.
function M.candidates()
  local said = os.getenv("AC_CRED_SOCKET")
  if said and said ~= "" then
    return { said }
  end
  local places = {}
  local uid = uv.getuid and uv.getuid()
  if uid then
    local run = "/run/user/" .. uid
    local found = uv.fs_lstat(run)
    if found and found.type == "directory" and found.uid == uid then
      table.insert(places, run .. "/ac-cred/" .. NAME)
    end
  end
  local temporary = mac_temporary_directory()
  if temporary then
    table.insert(places, (temporary:gsub("/$", "")) .. "/ac-cred/" .. NAME)
  end
  local of_user = home()
  if of_user then
    table.insert(places, of_user .. "/.local/state/ac-cred/" .. NAME)
  end
  return places
end

--- Why a socket may not be spoken to, or nil: its directory belongs to the user and to nobody else.
function M.refusal(path)
  local directory = vim.fn.fnamemodify(path, ":h")
  local found = uv.fs_lstat(directory)
  if not found then
    return nil
  end
  local others = found.mode % 64
  if found.type ~= "directory" or found.uid ~= uv.getuid() or others ~= 0 then
    return ("others can enter %s; run: chmod 700 '%s'"):format(directory, directory)
  end
  return nil
end

--- Connects to the first place where somebody listens; `done(pipe, why)`.
local function connect(done)
  local places = M.candidates()
  local function try(index)
    local path = places[index]
    if not path then
      return done(nil, "no daemon is running; run: ac-cred daemon start", "daemon_unreachable")
    end
    local refusal = M.refusal(path)
    if refusal then
      return done(nil, refusal, "unsafe_files")
    end
    local pipe = uv.new_pipe(false)
    pipe:connect(path, function(failed)
      if not failed then
        return done(pipe)
      end
      pipe:close()
      vim.schedule(function()
        try(index + 1)
      end)
    end)
  end
  try(1)
end

--- A connection that hands over each line it reads, decoded; `on_line(message)` or
--- `on_line(nil, why, code)` once, when it has ended. Returns a function that ends it.
function M.open(requests, on_line)
  local pipe, ended = nil, false
  local function finish(why, code)
    if ended then
      return
    end
    ended = true
    if pipe and not pipe:is_closing() then
      pipe:close()
    end
    on_line(nil, why, code)
  end
  connect(function(connected, why, code)
    if not connected then
      return vim.schedule(function()
        finish(why, code)
      end)
    end
    if ended then
      return connected:close()
    end
    pipe = connected
    local unread = ""
    pipe:read_start(vim.schedule_wrap(function(failed, piece)
      if ended then
        return
      end
      if failed or not piece then
        return finish(failed or "the daemon closed the connection", "daemon_unreachable")
      end
      unread = unread .. piece
      while not ended do
        local feed = unread:find("\n", 1, true)
        if not feed then
          return
        end
        local line = unread:sub(1, feed - 1)
        unread = unread:sub(feed + 1)
        local ok, message = pcall(vim.json.decode, line)
        if not ok then
          return finish("the daemon's answer is not JSON", "internal")
        end
        on_line(message)
      end
    end))
    for _, request in ipairs(requests) do
      pipe:write(M.encode(request) .. "\n")
    end
  end)
  return function()
    finish("ended here", "ended")
  end
end

--- A request as its line; an empty table is an object on the wire.
function M.encode(request)
  local name, fields = next(request)
  return vim.json.encode({ [name] = next(fields) and fields or vim.empty_dict() })
end

--- Asks once; `done(answers)` with every message of the answer, or `done(nil, why, code)`.
function M.ask(request, wait_ms, done)
  local answers, timer = {}, uv.new_timer()
  local close
  local function finish(...)
    if timer:is_closing() then
      return
    end
    timer:close()
    close()
    done(...)
  end
  local sequence = request.list or request.status or request.logout
  close = M.open({ request }, function(message, why, code)
    if not message then
      return finish(nil, why, code)
    end
    local denied = message.denied
    if denied then
      local hint = denied.hint ~= vim.NIL and ("; run: " .. denied.hint) or ""
      return finish(nil, denied.message .. hint, denied.error)
    end
    table.insert(answers, message)
    if message["end"] or not sequence then
      finish(answers)
    end
  end)
  timer:start(
    wait_ms + GRACE_MS,
    0,
    vim.schedule_wrap(function()
      finish(nil, "the daemon did not answer in time", "daemon_unreachable")
    end)
  )
end

return M
