;;; ac-cred-tests.el --- The package against a running daemon  -*- lexical-binding: t; -*-

;;; Commentary:

;; The daemon of AC_CRED_SOCKET knows `acme'.  AC_CRED_STEPS names the
;; conformance steps, AC_CRED_PROGRAM the client.

;;; Code:

(require 'ert)
(require 'ac-cred)

(setq ac-cred-program (getenv "AC_CRED_PROGRAM"))

(defun ac-cred-tests--printed-by (&rest words)
  "What ac-cred prints when it is called with WORDS."
  (with-temp-buffer
    (should (eql 0 (apply #'call-process ac-cred-program nil t nil words)))
    (string-trim (buffer-string))))

(defun ac-cred-tests--eventually (condition)
  "Wait until CONDITION holds."
  (let ((until (time-add nil 20)))
    (while (and (not (funcall condition)) (time-less-p nil until))
      (accept-process-output nil 0.05))
    (should (funcall condition))))

;;;; Conformance

(defconst ac-cred-tests--forms
  `(("<token>" . ,(lambda (value) (string-match-p "\\`[[:alnum:]._~+/=-]+\\'" value)))
    ("<time>" . ,(lambda (value)
                   (string-match-p
                    "\\`[0-9]\\{4\\}-[0-9][0-9]-[0-9][0-9]T[0-9:]\\{8\\}Z\\'"
                    value)))
    ("<text>" . stringp)
    ("<number>" . integerp)
    ("<any>" . ,(lambda (_) t)))
  "What an expected text stands for.")

(defun ac-cred-tests--fits (expected value)
  "Whether VALUE is what was EXPECTED."
  (let ((form (and (stringp expected)
                   (cdr (assoc expected ac-cred-tests--forms)))))
    (cond (form (funcall form value))
          ((consp expected)
           (and (equal (sort (mapcar #'car expected) #'string<)
                       (sort (mapcar #'car value) #'string<))
                (seq-every-p (lambda (field)
                               (ac-cred-tests--fits
                                (cdr field) (alist-get (car field) value)))
                             expected)))
          (t (equal expected value)))))

(defun ac-cred-tests--run (step)
  "Send and compare what STEP says."
  (let* ((heard nil)
         (expected (append (alist-get 'expect step) nil))
         (process (ac-cred--connect
                   (lambda (process piece)
                     (setq heard (append heard (ac-cred--lines process piece))))
                   #'ignore)))
    (unwind-protect
        (progn
          (seq-doseq (request (alist-get 'send step))
            (process-send-string
             process
             (ac-cred--encode
              (list (cons (caar request)
                          (or (cdar request) (make-hash-table)))))))
          (ac-cred-tests--eventually
           (lambda ()
             (if (alist-get 'closed step)
                 (not (process-live-p process))
               (>= (length heard) (length expected)))))
          (should (eql (length heard) (length expected)))
          (cl-mapc (lambda (expected message)
                     (should (ac-cred-tests--fits expected message)))
                   expected heard))
      (delete-process process))))

(ert-deftest ac-cred-conforms-to-the-protocol ()
  (let ((steps (with-temp-buffer
                 (insert-file-contents (getenv "AC_CRED_STEPS"))
                 (alist-get 'steps
                            (json-parse-buffer :object-type 'alist
                                               :null-object nil
                                               :false-object nil)))))
    (should (> (length steps) 10))
    (seq-doseq (step steps)
      (ert-info ((alist-get 'name step))
        (ac-cred-tests--run step)))))

;;;; What a person sees

(ert-deftest ac-cred-token-is-the-one-that-ac-cred-get-prints ()
  (should (equal (ac-cred-token "acme")
                 (ac-cred-tests--printed-by "get" "acme")))
  (should (equal (ac-cred-token) (ac-cred-tests--printed-by "get"))))

(ert-deftest ac-cred-refusal-says-what-to-type-and-has-a-code ()
  (let ((refusal (should-error (ac-cred-token "nobody") :type 'ac-cred-denied)))
    (should (string-match-p "run: ac-cred login nobody" (nth 1 refusal)))
    (should (equal (nth 2 refusal) "unknown_organization"))))

(ert-deftest ac-cred-refreshes-and-rejects ()
  (let* ((old (ac-cred-token "acme"))
         (new (ac-cred-token "acme" nil t)))
    (should-not (equal old new))
    (ac-cred-reject "acme" new)
    (should-not (equal new (ac-cred-token "acme")))))

(ert-deftest ac-cred-answers-auth-source-for-its-hosts-alone ()
  (ac-cred-auth-source-mode 1)
  (unwind-protect
      (let* ((auth-source-do-cache t)
             (url (alist-get 'api_url (ac-cred-lease "acme")))
             (host (url-host (url-generic-parse-url url)))
             (found (car (auth-source-search :host host :max 1))))
        (should (equal (plist-get found :user) "acme"))
        (should (equal (funcall (plist-get found :secret))
                       (ac-cred-token "acme")))
        (let ((new (ac-cred-token "acme" nil t)))
          (setq found (car (auth-source-search :host host :max 1)))
          (should (equal (funcall (plist-get found :secret)) new)))
        (should-not (auth-source-search :host "example.com" :max 1)))
    (ac-cred-auth-source-mode -1))
  (should-not (memq 'ac-cred auth-sources)))

(ert-deftest ac-cred-status-shows-what-is-known-and-no-token ()
  (let ((shown (ac-cred-status)))
    (should (string-match-p "acme: a token for [0-9]+ min, in memory" shown))
    (should-not (string-match-p (regexp-quote (ac-cred-token "acme")) shown))))

(ert-deftest ac-cred-copy-puts-the-token-into-the-kill-ring ()
  (let ((interprogram-cut-function nil))
    (ac-cred-copy "acme")
    (should (equal (current-kill 0) (ac-cred-token "acme")))))

(ert-deftest ac-cred-y-mode-line-follows-the-token ()
  (ac-cred-mode-line-mode 1)
  (ac-cred-token "acme")
  (ac-cred-tests--eventually
   (lambda ()
     (string-match-p "\\` acme [0-9]+m\\'" (or ac-cred-mode-line ""))))
  (ac-cred-tests--printed-by "lock" "--yes")
  (ac-cred-tests--eventually
   (lambda () (equal ac-cred-mode-line " ac-cred locked")))
  (ac-cred-tests--printed-by "unlock")
  (ac-cred-tests--eventually (lambda () (null ac-cred-mode-line)))
  (ac-cred-mode-line-mode -1)
  (should-not (memq 'ac-cred-mode-line global-mode-string)))


;; The lock of the test before has lost the credential: names sort these last.
(ert-deftest ac-cred-z-starts-the-daemon-where-there-is-none ()
  (ac-cred-tests--printed-by "daemon" "stop")
  (let ((refusal (should-error (ac-cred-token "acme") :type 'ac-cred-denied)))
    (should (equal (nth 2 refusal) "login_required"))))

(ert-deftest ac-cred-z-refuses-a-directory-that-others-can-enter ()
  (let ((directory (file-name-directory (getenv "AC_CRED_SOCKET"))))
    (set-file-modes directory #o755)
    (unwind-protect
        (should-error (ac-cred-token "acme") :type 'ac-cred-error)
      (set-file-modes directory #o700))))

(provide 'ac-cred-tests)
;;; ac-cred-tests.el ends here
