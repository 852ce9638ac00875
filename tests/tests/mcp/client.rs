//! An MCP client that says exactly what a test wants.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread::{self, JoinHandle},
    time::Duration,
};

use ac_cred_tests::world::World;
use serde_json::{Value, json};

/// How long anything may take before a test fails; no promise is that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A client with its bridge, which is killed when it is dropped before its end.
pub(crate) struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What came while something else was waited for.
    kept: Vec<Value>,
    stderr: Option<JoinHandle<String>>,
}

impl Client {
    /// Starts `ac-cred mcp` with these words.
    pub(crate) fn start(world: &World, words: &[&str]) -> Self {
        let mut child = Command::new(world.programs().join("ac-cred"))
            .arg("mcp")
            .args(words)
            .env_clear()
            .env("HOME", world.home())
            .env("PATH", "/usr/bin:/bin")
            .env("AC_CRED_SOCKET", world.socket())
            .current_dir(world.home())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the bridge can be started");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut stderr = child.stderr.take().expect("it is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                sender.send(line).ok();
            }
        });
        let stderr = thread::spawn(move || {
            let mut told = String::new();
            stderr.read_to_string(&mut told).ok();
            told
        });
        Self {
            stdin: child.stdin.take(),
            child,
            lines,
            kept: Vec::new(),
            stderr: Some(stderr),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a line.
    pub(crate) fn line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is still open");
        writeln!(stdin, "{line}").expect("the bridge reads");
    }

    /// Sends a message.
    pub(crate) fn send(&mut self, message: &Value) {
        self.line(&message.to_string());
    }

    /// Sends a request.
    pub(crate) fn request(&mut self, id: u64, method: &str, params: &Value) {
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
    }

    /// Calls a tool.
    pub(crate) fn call(&mut self, id: u64, tool: &str) {
        self.request(id, "tools/call", &json!({ "name": tool, "arguments": {} }));
    }

    /// The line that comes next.
    pub(crate) fn next_line(&mut self) -> String {
        let line = self.lines.recv_timeout(PATIENCE);
        line.expect("the bridge says something")
    }

    /// The message that fits, and comes next; others are kept.
    pub(crate) fn receive(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.kept.iter().position(&fits) {
            return self.kept.remove(at);
        }
        loop {
            let line = self.next_line();
            let message: Value = serde_json::from_str(&line).expect("every line is JSON");
            if fits(&message) {
                return message;
            }
            self.kept.push(message);
        }
    }

    /// The answer to a request.
    pub(crate) fn answer(&mut self, id: u64) -> Value {
        self.receive(|message| message["id"] == id && message.get("method").is_none())
    }

    /// The answer of the tool `hello`.
    pub(crate) fn hello(&mut self, id: u64) -> Value {
        self.call(id, "hello");
        self.answer(id)
    }

    /// Begins a session, and returns the server's answer.
    pub(crate) fn initialize(&mut self) -> Value {
        self.request(0, "initialize", &introduction());
        let answer = self.answer(0);
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        answer
    }

    /// Says nothing more, waits for the end, and returns how it ended, what else was said, and what
    /// a person was told.
    pub(crate) fn end(mut self) -> (ExitStatus, Vec<String>, String) {
        drop(self.stdin.take());
        self.wait()
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> (ExitStatus, Vec<String>, String) {
        let mut rest = Vec::new();
        // The lines end with the program.
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            rest.push(line);
        }
        let status = self.child.wait().expect("it is a child that has ended");
        let told = self.stderr.take().map(JoinHandle::join);
        (status, rest, told.and_then(Result::ok).unwrap_or_default())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What a client says of itself.
pub(crate) fn introduction() -> Value {
    json!({
        "protocolVersion": "2025-06-18",
        "capabilities": { "roots": {} },
        "clientInfo": { "name": "test", "version": "1" },
    })
}

/// What a tool said.
pub(crate) fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_default()
}

/// Why a request failed.
pub(crate) fn error(answer: &Value) -> &str {
    answer["error"]["message"].as_str().unwrap_or_default()
}
