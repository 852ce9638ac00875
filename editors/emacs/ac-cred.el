;;; ac-cred.el --- Appcircle session tokens from the daemon of ac-cred  -*- lexical-binding: t; -*-

;; Version: 0.1.0
;; Package-Requires: ((emacs "27.1"))
;; Keywords: comm, tools
;; SPDX-License-Identifier: MIT OR Apache-2.0

;;; Commentary:

;; Asks the daemon of ac-cred for session tokens over its local socket, and
;; has `ac-cred' start it where it does not run.  No token is kept: the daemon
;; answers from memory and renews in time.
;;
;; (ac-cred-token "acme")      the token, for restclient.el, verb.el and such
;; (ac-cred-auth-source-mode)  lets auth-source answer for Appcircle's hosts
;; (ac-cred-mode-line-mode)    shows the life that the token has left
;; M-x ac-cred-status, ac-cred-login, ac-cred-copy, ac-cred-reject

;;; Code:

(require 'auth-source)
(require 'json)
(require 'subr-x)
(require 'url-parse)

(defgroup ac-cred nil
  "Appcircle session tokens."
  :group 'tools
  :prefix "ac-cred-")

(defcustom ac-cred-program "ac-cred"
  "The program that starts the daemon."
  :type 'file)

(defcustom ac-cred-organization nil
  "The organization that is meant where none is named.
With nil it is ac-cred's own default."
  :type '(choice (const :tag "ac-cred's default" nil) string))

(defcustom ac-cred-wait 8
  "How many seconds the daemon may take for an answer."
  :type 'natnum)

(define-error 'ac-cred-error "ac-cred")
(define-error 'ac-cred-denied "ac-cred" 'ac-cred-error)
(define-error 'ac-cred-unreachable "ac-cred" 'ac-cred-error)

;;;; The socket

(defconst ac-cred--socket-name "v1.sock"
  "The name of the socket of wire version 1.")

(defun ac-cred--run-directory ()
  "The user's directory in /run, where there is one that is the user's own."
  (let* ((directory (format "/run/user/%d" (user-uid)))
         (found (file-attributes directory)))
    (when (and found
               (eq (file-attribute-type found) t)
               (eql (file-attribute-user-id found) (user-uid)))
      directory)))

(defun ac-cred--candidates ()
  "The places where the daemon may listen, the best first."
  (let ((said (getenv "AC_CRED_SOCKET")))
    (if (and said (not (string-empty-p said)))
        (list said)
      (let ((run (ac-cred--run-directory))
            (temporary (and (eq system-type 'darwin)
                            (car (process-lines "/usr/bin/getconf"
                                                "DARWIN_USER_TEMP_DIR"))))
            (home (expand-file-name (concat "~" (user-login-name)))))
        (mapcar
         (lambda (directory)
           (expand-file-name ac-cred--socket-name directory))
         (delq nil
               (list (and run (expand-file-name "ac-cred" run))
                     (and temporary (expand-file-name "ac-cred" temporary))
                     (expand-file-name ".local/state/ac-cred" home))))))))

(defun ac-cred--check-directory (socket)
  "Signal an error when others can enter the directory of SOCKET."
  (let* ((directory (directory-file-name (file-name-directory socket)))
         (found (file-attributes directory))
         (mode (and found (file-modes directory))))
    (when (and found
               (not (and (eq (file-attribute-type found) t)
                         (eql (file-attribute-user-id found) (user-uid))
                         (zerop (logand mode #o077)))))
      (signal 'ac-cred-error
              (list (format "others can enter %s; run: chmod 700 '%s'"
                            directory directory))))))

(defun ac-cred--connect (filter sentinel)
  "Connect to the daemon, with FILTER and SENTINEL; nil where none listens."
  (catch 'connected
    (dolist (socket (ac-cred--candidates))
      (ac-cred--check-directory socket)
      (when (file-exists-p socket)
        (ignore-errors
          (throw 'connected
                 (make-network-process
                  :name "ac-cred" :family 'local :service socket
                  :coding 'utf-8-unix :noquery t
                  :filter filter :sentinel sentinel)))))
    nil))

(defun ac-cred--lines (process piece)
  "The whole lines that PROCESS has sent with PIECE, each as an alist."
  (let* ((unread (concat (process-get process 'unread) piece))
         (lines (split-string unread "\n"))
         (whole (butlast lines)))
    (process-put process 'unread (car (last lines)))
    (mapcar (lambda (line)
              (json-parse-string line :object-type 'alist
                                 :null-object nil :false-object nil))
            whole)))

(defun ac-cred--encode (request)
  "REQUEST, an alist, as a line."
  (concat (json-serialize request :null-object nil :false-object :false) "\n"))

(defun ac-cred--is-last (request message)
  "Whether MESSAGE is the last one of the answer to REQUEST."
  (or (assq 'denied message)
      (assq 'end message)
      (not (memq (caar request) '(list status logout)))))

(defun ac-cred--ask-running (request)
  "The messages of the answer to REQUEST, or nil where no daemon listens."
  (let* ((answers nil) (done nil)
         (process
          (ac-cred--connect
           (lambda (process piece)
             (dolist (message (ac-cred--lines process piece))
               (push message answers)
               (when (ac-cred--is-last request message)
                 (setq done t))))
           #'ignore)))
    (when process
      (unwind-protect
          (let ((until (time-add nil (1+ ac-cred-wait))))
            (process-send-string process (ac-cred--encode request))
            (while (and (not done)
                        (process-live-p process)
                        (time-less-p nil until))
              (accept-process-output process 0.1))
            ;; What has come with the end of the connection counts as well.
            (while (accept-process-output process 0))
            (unless done
              (signal 'ac-cred-unreachable
                      '("the daemon did not answer; run: ac-cred status")))
            (nreverse answers))
        (delete-process process)))))

(defun ac-cred--start-daemon ()
  "Have ac-cred start the daemon."
  (with-temp-buffer
    (let ((default-directory "/")
          (code (condition-case nil
                    (call-process ac-cred-program nil t nil "daemon" "start")
                  (file-missing "not found"))))
      (unless (eql code 0)
        (signal 'ac-cred-unreachable
                (list (if (eql (buffer-size) 0)
                          (format "%s: %s; is it installed?"
                                  ac-cred-program code)
                        (string-trim (buffer-string)))))))))

(defun ac-cred-request (request)
  "The messages of the answer to REQUEST, an alist of one message.
Starts the daemon where none runs, and signals `ac-cred-denied' with a
sentence and an error code when it refuses."
  (let* ((answers (or (ac-cred--ask-running request)
                      (progn (ac-cred--start-daemon)
                             (ac-cred--ask-running request))
                      (signal 'ac-cred-unreachable '("no daemon is running"))))
         (denied (alist-get 'denied (car (last answers)))))
    (when denied
      (let ((hint (alist-get 'hint denied)))
        (signal 'ac-cred-denied
                (list (concat (alist-get 'message denied)
                              (and hint (concat "; run: " hint)))
                      (alist-get 'error denied)))))
    answers))

(defun ac-cred--fields (&rest fields)
  "FIELDS, a property list, as an alist without those that are nil."
  (let (alist)
    (while fields
      (let ((name (pop fields)) (value (pop fields)))
        (when value
          (push (cons name value) alist))))
    (nreverse alist)))

(defun ac-cred--message (name &rest fields)
  "The message NAME with FIELDS, a property list."
  (list (cons name (or (apply #'ac-cred--fields fields)
                       (make-hash-table)))))

;;;; Tokens

(defun ac-cred-lease (&optional organization min-ttl refresh)
  "The token of ORGANIZATION with its life and the address of its API.
MIN-TTL demands so many seconds of life, REFRESH a new token."
  (alist-get 'lease
             (car (ac-cred-request
                   (ac-cred--message
                    'get
                    'organization (or organization ac-cred-organization)
                    'min_ttl min-ttl
                    'refresh (and refresh t)
                    'wait_ms (* 1000 ac-cred-wait))))))

;;;###autoload
(defun ac-cred-token (&optional organization min-ttl refresh)
  "The session token of ORGANIZATION; signals an error where there is none.
MIN-TTL demands so many seconds of life, REFRESH a new token."
  (alist-get 'access_token (ac-cred-lease organization min-ttl refresh)))

(defun ac-cred-names ()
  "The names of the organizations that the daemon knows."
  (delq nil
        (mapcar (lambda (answer)
                  (alist-get 'organization (alist-get 'name answer)))
                (ac-cred-request (ac-cred--message 'list)))))

(defun ac-cred--read-organization ()
  "Ask for an organization, where there is more than one."
  (let ((names (ac-cred-names)))
    (if (cdr names)
        (completing-read "Organization: " names nil t nil nil
                         ac-cred-organization)
      (car names))))

;;;###autoload
(defun ac-cred-copy (&optional organization)
  "Put the token of ORGANIZATION into the kill ring."
  (interactive (list (ac-cred--read-organization)))
  (kill-new (ac-cred-token organization))
  (message "ac-cred: the token is in the kill ring"))

;;;###autoload
(defun ac-cred-reject (&optional organization token)
  "Say that the API of ORGANIZATION answered TOKEN, or the last one, with 401."
  (interactive (list (ac-cred--read-organization)))
  (ac-cred-request
   (ac-cred--message 'reject
                     'organization (or organization ac-cred-organization)
                     'token token
                     'wait_ms (* 1000 ac-cred-wait)))
  (message "ac-cred: the token was replaced"))

;;;###autoload
(defun ac-cred-login (organization)
  "Log in to ORGANIZATION, in a terminal: the key is not echoed."
  (interactive "sOrganization: ")
  (require 'term)
  (declare-function term-mode "term")
  (declare-function term-char-mode "term")
  (let ((buffer (make-term "ac-cred login" ac-cred-program nil
                           "login" organization)))
    (with-current-buffer buffer
      (term-mode)
      (term-char-mode))
    (pop-to-buffer buffer)))

(declare-function make-term "term")

(defun ac-cred--status-line (organization)
  "A line about ORGANIZATION, as the daemon knows it."
  (let ((token (alist-get 'token organization)))
    (format "%s %s: %s, in %s"
            (if (alist-get 'default organization) "*" " ")
            (alist-get 'organization organization)
            (if token
                (format "a token for %d min"
                        (/ (alist-get 'expires_in token) 60))
              "no token")
            (alist-get 'store organization))))

;;;###autoload
(defun ac-cred-status ()
  "Show what the daemon knows."
  (interactive)
  (let* ((answers (ac-cred-request (ac-cred--message 'status)))
         (daemon (alist-get 'daemon (car answers)))
         (organizations (delq nil (mapcar (lambda (answer)
                                            (alist-get 'organization answer))
                                          answers))))
    (message "%s\ndaemon %s, pid %d%s"
             (if organizations
                 (mapconcat #'ac-cred--status-line organizations "\n")
               "no organization is known; run: ac-cred login ORG")
             (alist-get 'version daemon)
             (alist-get 'pid daemon)
             (if (alist-get 'locked daemon) ", locked" ""))))

;;;; auth-source

(defun ac-cred--hosts (organization)
  "The hosts of ORGANIZATION to which its tokens may be sent."
  (let ((destination
         (alist-get 'destination
                    (car (ac-cred-request
                          (ac-cred--message 'destination
                                            'organization organization))))))
    (delq nil
          (mapcar (lambda (name)
                    (when-let ((url (alist-get name destination)))
                      (url-host (url-generic-parse-url url))))
                  '(api_url mcp_url)))))

(cl-defun ac-cred--auth-source-search (&rest spec &key host max &allow-other-keys)
  "Answer auth-source's SPEC for a HOST of an organization, at most MAX times."
  (ignore spec)
  (let ((wanted (if (listp host) host (list host))) found)
    (unless (eql max 0)
      (dolist (organization (ignore-errors (ac-cred-names)))
        (let ((hosts (ignore-errors (ac-cred--hosts organization))))
          (dolist (one wanted)
            (when (and (stringp one) (member one hosts))
              (push (list :host one :user organization :port "https"
                          ;; Asked anew each time, so that no cache of
                          ;; auth-source outlives the token.
                          :secret (lambda () (ac-cred-token organization)))
                    found))))))
    (let ((found (nreverse found)))
      (if (and (natnump max) (< max (length found)))
          (seq-take found max)
        found))))

(defvar ac-cred-auth-source-backend
  (auth-source-backend :source "." :type 'ac-cred
                       :search-function #'ac-cred--auth-source-search)
  "The backend that answers for the hosts of organizations.")

(defun ac-cred--auth-source-parse (entry)
  "The backend, when ENTRY of `auth-sources' is the symbol `ac-cred'."
  (when (eq entry 'ac-cred)
    (auth-source-backend-parse-parameters entry ac-cred-auth-source-backend)))

;;;###autoload
(define-minor-mode ac-cred-auth-source-mode
  "Let auth-source answer for the hosts of Appcircle's organizations."
  :global t
  (auth-source-forget-all-cached)
  (if ac-cred-auth-source-mode
      (progn
        (add-hook 'auth-source-backend-parser-functions
                  #'ac-cred--auth-source-parse)
        (add-to-list 'auth-sources 'ac-cred))
    (setq auth-sources (delq 'ac-cred auth-sources))
    (remove-hook 'auth-source-backend-parser-functions
                 #'ac-cred--auth-source-parse)))

;;;; The mode line

(defvar ac-cred-mode-line nil
  "What the mode line shows, such as \" acme 59m\".")
(put 'ac-cred-mode-line 'risky-local-variable t)

(defvar ac-cred--watch nil
  "The connection that hears what changes.")

(defvar ac-cred--known nil
  "The last event about a token, and when the token ends.")

(defvar ac-cred--timer nil
  "What shows the life that is left as it gets less.")

(defun ac-cred--shown (seconds)
  "SECONDS in the largest whole unit."
  (if (>= seconds 3600)
      (format "%dh" (/ seconds 3600))
    (format "%dm" (/ seconds 60))))

(defun ac-cred--show ()
  "Show what is known in the mode line, and watch where nobody does."
  (unless (process-live-p ac-cred--watch)
    (setq ac-cred--known nil)
    (ignore-errors (ac-cred--start-watch)))
  (setq ac-cred-mode-line
        (pcase ac-cred--known
          (`(,organization ,(and (pred integerp) ends))
           (let ((left (- ends (time-convert nil 'integer))))
             (and (> left 0)
                  (format " %s %s" organization (ac-cred--shown left)))))
          (`(,organization ,(and (pred stringp) why))
           (format " %s %s" organization why))))
  (force-mode-line-update t))

(defun ac-cred--hear (event)
  "Take over what EVENT says."
  (let ((organization (alist-get 'organization event)))
    (setq ac-cred--known
          (pcase (alist-get 'event event)
            ((or "renewed" "expiring")
             (list organization (+ (time-convert nil 'integer)
                                   (alist-get 'expires_in event))))
            ("login_needed" (list organization "login"))
            ("locked" (list "ac-cred" "locked"))
            ("watching" ac-cred--known)))))

(defun ac-cred--start-watch ()
  "Connect to a daemon that runs, to hear what changes."
  (setq ac-cred--watch
        (ac-cred--connect
         (lambda (process piece)
           (dolist (message (ac-cred--lines process piece))
             (when-let ((event (alist-get 'event message)))
               (ac-cred--hear event)))
           (ac-cred--show))
         #'ignore))
  (when ac-cred--watch
    (process-send-string
     ac-cred--watch
     (ac-cred--encode
      (ac-cred--message 'watch 'organization ac-cred-organization)))))

;;;###autoload
(define-minor-mode ac-cred-mode-line-mode
  "Show the life that the token has left in the mode line."
  :global t
  (when ac-cred--timer
    (cancel-timer ac-cred--timer)
    (setq ac-cred--timer nil))
  (when ac-cred--watch
    (delete-process ac-cred--watch)
    (setq ac-cred--watch nil))
  (setq ac-cred--known nil
        ac-cred-mode-line nil
        global-mode-string (delq 'ac-cred-mode-line global-mode-string))
  (when ac-cred-mode-line-mode
    (setq global-mode-string
          (append (or global-mode-string '("")) '(ac-cred-mode-line))
          ac-cred--timer (run-with-timer 0 30 #'ac-cred--show))))

(provide 'ac-cred)
;;; ac-cred.el ends here
