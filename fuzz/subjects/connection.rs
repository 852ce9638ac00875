//! A connection to the daemon: whatever is sent, and in whatever pieces, it is answered in whole
//! messages, and the connection ends.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use ac_cred_proto::Response;
use ac_cred_proto::frame::{Encoding, HEADER_LENGTH, payload_length};
use ac_cred_proto::message::Done;
use ac_credd::audit::{Audit, Caller};
use ac_credd::broker::{Answer, Call};
use ac_credd::clock::SystemClock;
use ac_credd::course::Course;
use ac_credd::places::Places;
use ac_credd::server::{self, Unanswered};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

/// Longer than any connection may last that has nothing to say.
const AT_LAST: Duration = Duration::from_mins(1);

thread_local! {
    /// A runtime whose timers go as fast as nothing else is to be done.
    static RUNTIME: RefCell<Runtime> = RefCell::new(
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime can be built"),
    );
}

/// The first byte is the length of the pieces in which the rest is sent.
pub(crate) fn run(data: &[u8]) {
    let Some((&piece, sent)) = data.split_first() else {
        return;
    };
    RUNTIME.with_borrow(|runtime| runtime.block_on(talk(sent, usize::from(piece).max(1))));
}

async fn talk(sent: &[u8], piece: usize) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let (calls, mut taken) = mpsc::channel::<Call>(8);
    let ends = watch::Sender::new(Course::On);
    let broker = async move {
        while let Some(call) = taken.recv().await {
            // A login whose caller has left is not waited for.
            call.reply.send(Answer::One(Response::Done(Done {}))).ok();
        }
    };
    let (mut reads, mut writes) = tokio::io::split(near);
    let client = async move {
        for piece in sent.chunks(piece) {
            // The daemon may have closed the connection already.
            if writes.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let mut told = Vec::new();
        reads.read_to_end(&mut told).await.ok();
        told
    };
    let place = Places::new(1).take().expect("it is the only one");
    let page = Arc::new(Audit::new(Arc::new(SystemClock))).page(Caller::default());
    let served = server::serve(
        (far, Unanswered::default()),
        calls,
        ends.subscribe(),
        &place,
        &page,
    );
    let all = async { tokio::join!(served, broker, client).2 };
    let told = tokio::time::timeout(AT_LAST, all)
        .await
        .expect("every connection ends");
    is_whole(sent, &told);
}

/// Checks that everything told is whole messages in the encoding that was chosen.
fn is_whole(sent: &[u8], told: &[u8]) {
    let mut rest = told;
    while !rest.is_empty() {
        let is_line = rest.first() == Some(&b'{');
        let (payload, next) = if is_line { line(rest) } else { frame(rest) };
        let encoding = if is_line {
            Encoding::Json
        } else {
            Encoding::Binary
        };
        let response: Response = encoding.decode(payload).expect("it is a response");
        assert!(matches!(
            response,
            Response::Done(_) | Response::Denied(_) | Response::Audited(_) | Response::End(_)
        ));
        rest = next;
    }
    assert!(told.is_empty() || !sent.is_empty());
}

fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes
        .iter()
        .position(|&byte| byte == b'\n')
        .expect("a line ends");
    (&bytes[..end], &bytes[end + 1..])
}

fn frame(bytes: &[u8]) -> (&[u8], &[u8]) {
    let header = *bytes
        .first_chunk::<HEADER_LENGTH>()
        .expect("a frame has a header");
    let length = payload_length(header).expect("its length is within bounds");
    bytes[HEADER_LENGTH..].split_at(length)
}
