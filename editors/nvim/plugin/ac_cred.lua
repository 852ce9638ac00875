-- Defines :AcCred; what it does is loaded when it is used.

if vim.g.loaded_ac_cred then
  return
end
vim.g.loaded_ac_cred = 1

vim.api.nvim_create_user_command("AcCred", function(said)
  require("ac_cred.command").run(said.fargs)
end, {
  nargs = "*",
  desc = "Appcircle session tokens",
  complete = function(lead, line)
    return require("ac_cred.command").complete(lead, line)
  end,
})
