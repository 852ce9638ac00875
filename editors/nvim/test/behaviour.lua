-- What a person sees of the plugin, against the daemon of AC_CRED_SOCKET, which knows `acme`.

local ac_cred = require("ac_cred")
ac_cred.setup({ program = os.getenv("AC_CRED_PROGRAM") })

local said = {}
vim.notify = function(text)
  table.insert(said, text)
end

local function last_said()
  return table.remove(said) or ""
end

local function eventually(what, condition)
  assert(vim.wait(20000, condition, 5), what)
end

local function printed_by(words)
  local lines = vim.fn.systemlist(vim.list_extend({ os.getenv("AC_CRED_PROGRAM") }, words))
  assert(vim.v.shell_error == 0, table.concat(lines, " "))
  return lines[1]
end

local tests = {
  {
    "a token is the one that ac-cred get prints",
    function()
      assert(ac_cred.token("acme") == printed_by({ "get", "acme" }))
      assert(ac_cred.token() == printed_by({ "get" }))
    end,
  },
  {
    "a lease says where its token may be sent, and for how long",
    function()
      local lease
      ac_cred.with_lease("acme", function(found)
        lease = found
      end)
      assert(not lease, "it does not wait")
      eventually("a lease comes", function()
        return lease
      end)
      assert(lease.expires_in > 3000 and vim.startswith(lease.api_url, "https://"))
    end,
  },
  {
    "a refusal comes with the command to type and its code",
    function()
      local token, why, code = ac_cred.token("nobody")
      assert(token == nil and why:find("run: ac%-cred login nobody"), why)
      assert(code == "unknown_organization", code)
    end,
  },
  {
    "a new token can be demanded, and a refused one is replaced",
    function()
      local old = ac_cred.token("acme")
      local new = ac_cred.token("acme", { refresh = true })
      assert(new and new ~= old)
      local done
      ac_cred.reject("acme", new, function(rejected)
        done = rejected
      end)
      eventually("the token is replaced", function()
        return done
      end)
      assert(ac_cred.token("acme") ~= new)
    end,
  },
  {
    ":AcCred shows what is known, and never a token",
    function()
      vim.cmd("AcCred")
      local shown = last_said()
      assert(shown:find("acme: a token for %d+ min, in memory"), shown)
      assert(not shown:find(ac_cred.token("acme"), 1, true))
      vim.cmd("AcCred dance")
      assert(last_said():find("there is no :AcCred dance"))
    end,
  },
  {
    ":AcCred completes its words and the organizations",
    function()
      assert(vim.deep_equal(vim.fn.getcompletion("AcCred lo", "cmdline"), { "lock", "login" }))
      assert(vim.deep_equal(vim.fn.getcompletion("AcCred copy ", "cmdline"), { "acme" }))
    end,
  },
  {
    "the status line follows the token's life without asking",
    function()
      local statusline = require("ac_cred.statusline")
      assert(statusline.component("acme") == "")
      eventually("the life is shown", function()
        return statusline.component("acme"):match("^acme %d+m$")
      end)
      vim.cmd("AcCred lock")
      eventually("a lock that would lose something is refused", function()
        return last_said():find("ac%-cred lock %-%-yes")
      end)
      printed_by({ "lock", "--yes" })
      eventually("the lock is shown", function()
        return statusline.component("acme") == "acme locked"
      end)
      printed_by({ "unlock" })
      eventually("the lock is gone", function()
        return statusline.component("acme") == ""
      end)
      statusline.stop()
    end,
  },
  {
    ":checkhealth finds the program and the daemon",
    function()
      vim.cmd("checkhealth ac_cred")
      local report = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
      assert(report:find("the daemon [%d%.]+ listens at"), report)
      assert(not report:find("ERROR"), report)
    end,
  },
  {
    "the daemon is started where there is none",
    function()
      printed_by({ "daemon", "stop" })
      local token, why, code = ac_cred.token("acme")
      assert(token == nil and code == "login_required", why)
      assert(ac_cred.status().daemon.pid > 0)
    end,
  },
  {
    "a directory that others can enter is refused",
    function()
      local directory = vim.fn.fnamemodify(os.getenv("AC_CRED_SOCKET"), ":h")
      vim.fn.system({ "chmod", "755", directory })
      local token, why, code = ac_cred.token("acme")
      vim.fn.system({ "chmod", "700", directory })
      assert(token == nil and code == "unsafe_files", why)
    end,
  },
}

local failed = 0
for _, test in ipairs(tests) do
  local ok, why = pcall(test[2])
  print(("%s: %s\n"):format(test[1], ok and "ok" or "FAILED: " .. tostring(why)))
  failed = failed + (ok and 0 or 1)
end
print(("%d passed, %d failed\n"):format(#tests - failed, failed))
vim.cmd(failed == 0 and "qall!" or "cquit!")
