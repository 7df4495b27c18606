//! Spans that come through the socket, on a source whose joules are known.

use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use joulewise_meter::source::{Domain, Place, ReadError, Reading, Source};
use joulewise_meter::spans::SpanSender;
use joulewise_meter::{Method, Session, SpanListener, SpanTotal};

/// A source that stands at the joules that the test sets.
#[derive(Clone, Default)]
struct Dial(Arc<Mutex<f64>>);

impl Dial {
    /// The session, with no reading but those that the test and the spans ask for.
    fn session(&self) -> Session {
        // Steps of a measured counter would be waited for, and those of a test come when they like.
        let method = Method::Modelled;
        let domain = Domain { name: "all".to_owned(), place: Place::Root, method, scale: (0.5, 2.0) };
        let source = DialSource { dial: self.clone(), domains: [domain] };
        Session::builder().source(source).interval(Duration::from_hours(1)).open().unwrap()
    }

    /// So many joules are used between two readings, and none before and after.
    fn use_in(&self, session: &Session, joules: f64) {
        session.reading();
        *self.0.lock().unwrap() += joules;
        session.reading();
    }
}

struct DialSource {
    dial: Dial,
    domains: [Domain; 1],
}

impl Source for DialSource {
    fn name(&self) -> String {
        "dial".to_owned()
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, into: &mut Reading) -> Result<(), ReadError> {
        into.at = Instant::now();
        into.joules[0] = *self.dial.0.lock().unwrap();
        Ok(())
    }
}

/// What a test looks at: name, parent, count, unclosed, joules.
fn seen(totals: &[SpanTotal]) -> Vec<(&str, Option<u32>, u64, u64, f64)> {
    totals.iter().map(|t| (t.name.as_str(), t.parent, t.count, t.unclosed, t.energy.value)).collect()
}

#[test]
fn spans_of_several_processes_nest_and_overlap() {
    let (dial, folder) = (Dial::default(), tempfile::tempdir().unwrap());
    let session = dial.session();
    let path = folder.path().join("socket");
    let listener = SpanListener::open_at(&session, &path).unwrap();
    assert_eq!(listener.path(), path);
    let send = |key: &str, text: &str| {
        let socket = UnixDatagram::unbound().unwrap();
        let (verb, rest) = text.split_once(' ').unwrap();
        let line = format!("{verb} {} {key} {rest}", SpanSender::now_ns());
        socket.send_to(line.as_bytes(), &path).unwrap();
    };
    send("1.1", "begin - epoch");
    dial.use_in(&session, 1.0);
    send("1.2", "begin 1.1 step");
    dial.use_in(&session, 2.0);
    send("2.1", "begin - load");
    dial.use_in(&session, 4.0);
    send("1.2", "end ");
    dial.use_in(&session, 8.0);
    send("1.1", "end ");
    dial.use_in(&session, 16.0);
    let totals = listener.finish().spans;
    assert_eq!(
        seen(&totals),
        [("epoch", None, 1, 0, 15.0), ("step", Some(1), 1, 0, 6.0), ("load", None, 1, 1, 28.0)]
    );
    assert!(totals.iter().all(|total| total.wall_s > 0.0 && total.energy.high == 2.0 * total.energy.value));
    assert!(!path.exists(), "the socket is removed");
    let summary = session.finish();
    assert_eq!(summary.total.value, 31.0);
    assert!(summary.caveats.is_empty(), "{:?}", summary.caveats);
}

#[test]
fn spans_are_parts_of_the_stage_in_which_they_were_listened_for() {
    let dial = Dial::default();
    let session = dial.session();
    let stage = session.open_stage("train", &[]);
    for name in ["first", "second"] {
        let listener = SpanListener::open(&session).unwrap();
        let sender = SpanSender::connect(listener.path(), "test").unwrap();
        sender.begin(name).unwrap();
        sender.begin("inner").unwrap();
        dial.use_in(&session, 3.0);
        sender.end("inner").unwrap();
        dial.use_in(&session, 1.0);
    }
    let record = session.close_stage(stage);
    let expected = [
        ("first", None, 1, 1, 4.0),
        ("inner", Some(1), 1, 0, 3.0),
        ("second", None, 1, 1, 4.0),
        ("inner", Some(3), 1, 0, 3.0),
    ];
    assert_eq!(seen(&record.spans), expected);
    assert_eq!(record.spans.iter().map(|span| span.id).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let summary = session.finish();
    assert_eq!((record.energy.value, summary.total.value), (8.0, 8.0), "spans are not added to their stage");
}

#[test]
fn an_edge_is_where_its_sender_was_however_late_the_message() {
    let dial = Dial::default();
    let session = dial.session();
    let listener = SpanListener::open(&session).unwrap();
    let sender = SpanSender::connect(listener.path(), "test").unwrap();
    session.reading();
    let began_ns = SpanSender::now_ns();
    dial.use_in(&session, 3.0);
    let ended_ns = SpanSender::now_ns();
    dial.use_in(&session, 5.0);
    sender.begin_at(began_ns, "late").unwrap();
    sender.end_at(ended_ns, "late").unwrap();
    // Clocks of another machine, of the future, and of the time before the session are not believed.
    for wrong_ns in [0, u64::MAX] {
        sender.begin_at(wrong_ns, "wrong").unwrap();
        sender.end("wrong").unwrap();
    }
    let folder = listener.path().parent().unwrap().to_owned();
    let totals = listener.finish().spans;
    assert_eq!(seen(&totals), [("late", None, 1, 0, 3.0), ("wrong", None, 2, 0, 0.0)]);
    assert!(!folder.exists(), "nothing is left behind");
}

#[test]
fn what_makes_no_sense_is_counted_and_breaks_nothing() {
    let dial = Dial::default();
    let session = dial.session();
    let listener = SpanListener::open(&session).unwrap();
    let socket = UnixDatagram::unbound().unwrap();
    socket.connect(listener.path()).unwrap();
    let (now, garbage) = (SpanSender::now_ns(), vec![0xff; 100_000]);
    let lines = format!("begin {now} 1 - good\nend {now}\nbegin {now} 1 - again\nend {now} 2\nend {now} 1\n");
    for message in [&b""[..], b"\n\n", b"hello", &garbage, lines.as_bytes()] {
        socket.send(message).unwrap();
    }
    assert_eq!(seen(&listener.finish().spans), [("good", None, 1, 0, 0.0)]);
    let caveats = session.finish().caveats;
    assert_eq!(caveats.len(), 1);
    assert_eq!(caveats[0].code, "span-messages");
    assert!(caveats[0].text.starts_with("7 of 9 messages"), "{}", caveats[0].text);
    assert!(SpanSender::connect("/no/such/socket".as_ref(), "test").is_err());
}

#[test]
fn more_edges_than_anybody_can_read_are_all_counted() {
    let dial = Dial::default();
    let session = dial.session();
    let listener = SpanListener::open(&session).unwrap();
    let path = listener.path().to_owned();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let name = format!("thread {thread}");
                let sender = SpanSender::connect(path, &name).unwrap();
                for _ in 0..2000 {
                    // A queue that stays full for too long would be an error.
                    sender.begin(&name).unwrap();
                    sender.end(&name).unwrap();
                }
            });
        }
    });
    let totals = listener.finish().spans;
    assert_eq!(totals.len(), 4);
    assert!(totals.iter().all(|total| (total.count, total.unclosed) == (2000, 0)), "{totals:?}");
    drop(session);
}

#[test]
fn a_metric_has_the_joules_of_its_moment() {
    let dial = Dial::default();
    let session = dial.session();
    let listener = SpanListener::open(&session).unwrap();
    let sender = SpanSender::connect(listener.path(), "test").unwrap();
    for (joules, value) in [(1.0, 0.5), (2.0, f64::NAN), (4.0, 0.75)] {
        dial.use_in(&session, joules);
        sender.metric_at(SpanSender::now_ns(), "accuracy", value).unwrap();
        dial.use_in(&session, 0.0);
    }
    let told = listener.finish();
    assert!(told.spans.is_empty());
    let [accuracy] = &told.metrics[..] else { panic!("{told:?}") };
    let found: Vec<_> = accuracy.points.iter().map(|point| (point.energy_j, point.value)).collect();
    assert_eq!((accuracy.name.as_str(), found.len()), ("accuracy", 3));
    assert_eq!((found[0], found[1].0, found[2]), ((1.0, 0.5), 3.0, (7.0, 0.75)));
    assert!(found[1].1.is_nan() && accuracy.points.windows(2).all(|pair| pair[0].at_s < pair[1].at_s));
    assert!(session.finish().caveats.is_empty());
}
