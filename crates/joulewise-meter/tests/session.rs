//! Sessions over sources whose joules are known.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use joulewise_meter::source::{Domain, Place, ReadError, ReadErrorKind, Reading, Source};
use joulewise_meter::{ErrorKind, Event, EventKind, Method, Session};
use proptest::prelude::*;

/// Far longer than any test: only the test's own calls read the source.
const NEVER: Duration = Duration::from_hours(1);

/// A source that stands at the joules that the test sets.
#[derive(Clone, Default)]
struct Dial(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    joules: f64,
    error: Option<ReadErrorKind>,
}

impl Dial {
    fn add(&self, joules: f64) {
        self.0.lock().unwrap().joules += joules;
    }

    fn fail(&self, kind: Option<ReadErrorKind>) {
        self.0.lock().unwrap().error = kind;
    }

    fn session(&self) -> Session {
        Session::builder().source(DialSource::new(self.clone())).interval(NEVER).open().unwrap()
    }
}

struct DialSource {
    dial: Dial,
    domains: Vec<Domain>,
}

impl DialSource {
    fn new(dial: Dial) -> Self {
        let domain = |name: &str, place| Domain {
            name: name.to_owned(),
            place,
            method: Method::Measured,
            scale: (0.5, 2.0),
        };
        let domains = vec![
            domain("all", Place::Root),
            domain("part", Place::Inside(0)),
            domain("board", Place::Beside),
        ];
        Self { dial, domains }
    }
}

impl Source for DialSource {
    fn name(&self) -> String {
        "dial".to_owned()
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, into: &mut Reading) -> Result<(), ReadError> {
        let state = self.dial.0.lock().unwrap();
        if let Some(kind) = state.error {
            return Err(ReadError::new(kind, "the dial is broken"));
        }
        into.at = Instant::now();
        into.joules.copy_from_slice(&[state.joules, state.joules / 2.0, state.joules * 3.0]);
        Ok(())
    }
}

#[test]
fn nested_stages_partition_the_energy() {
    let dial = Dial::default();
    let session = dial.session();
    dial.add(1.0);
    let outer = session.open_stage("outer", &[]);
    dial.add(2.0);
    let inner = session.open_stage("inner", &[outer]);
    dial.add(4.0);
    let record = session.close_stage(inner);
    assert_eq!((record.id, record.parent, record.energy.value), (2, Some(1), 4.0));
    dial.add(8.0);
    let record = session.close_stage(outer);
    assert_eq!(
        (record.id, record.parent, record.energy.value, record.inclusive.value),
        (1, None, 10.0, 14.0)
    );
    assert_eq!((record.energy.low, record.energy.high), (5.0, 20.0));
    session.depend(outer, inner);
    dial.add(16.0);
    let summary = session.finish();
    assert_eq!(summary.unattributed_j, 17.0);
    assert_eq!(summary.total.value, 31.0);
    assert_eq!(summary.total.method, Method::Measured);
    let stages: Vec<_> = summary.stages.iter().map(|stage| (stage.id, stage.depends_on.clone())).collect();
    assert_eq!(stages, [(2, vec![1]), (1, vec![2])]);
    assert_eq!(summary.sources, ["dial"]);
    assert!(summary.caveats.is_empty());
}

#[test]
fn closing_a_stage_closes_those_inside_it() {
    let dial = Dial::default();
    let session = dial.session();
    let outer = session.open_stage("outer", &[]);
    session.open_stage("forgotten", &[]);
    dial.add(3.0);
    let record = session.close_stage(outer);
    assert_eq!((record.name.as_str(), record.energy.value, record.inclusive.value), ("outer", 0.0, 3.0));
    session.open_stage("open at the end", &[]);
    let names: Vec<_> = session.finish().stages.into_iter().map(|stage| stage.name).collect();
    assert_eq!(names, ["forgotten", "outer", "open at the end"]);
}

#[test]
fn spans_overlap_on_any_thread() {
    let dial = Dial::default();
    let session = dial.session();
    let first = session.span("first");
    dial.add(1.0);
    let second = std::thread::scope(|scope| scope.spawn(|| session.span("second")).join().unwrap());
    dial.add(2.0);
    assert_eq!(first.close().value, 3.0);
    dial.add(4.0);
    assert_eq!(second.so_far().energy.value, 6.0);
    assert_eq!(second.estimate().ratio(&second.estimate()), (1.0, 1.0, 1.0));
    assert_eq!(second.close().value, 6.0);
    assert_eq!(session.reading().energy.value, 7.0);
}

/// A session whose events are kept.
fn recorded(dial: &Dial) -> (Session, Arc<Mutex<Vec<Event>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&events);
    let session = Session::builder()
        .source(DialSource::new(dial.clone()))
        .interval(NEVER)
        .observer(move |event: &Event| into.lock().unwrap().push(event.clone()))
        .open()
        .unwrap();
    (session, events)
}

#[test]
fn events_come_in_order() {
    let dial = Dial::default();
    let (session, events) = recorded(&dial);
    let stage = session.open_stage("work", &[]);
    session.emit(EventKind::Progress { stage, done: 1, of: 2, text: String::new() });
    dial.add(5.0);
    session.close_stage(stage);
    drop(session.span("rest"));
    let outer = session.open_stage("outer", &[]);
    drop(session.span("inside"));
    session.close_stage(outer);
    session.finish();
    let events = events.lock().unwrap();
    assert!(events.windows(2).all(|pair| pair[0].at_s <= pair[1].at_s));
    let kinds: Vec<_> = events
        .iter()
        .map(|event| match &event.kind {
            EventKind::StageOpened { name, .. } => format!("opened {name}"),
            EventKind::StageClosed { name, energy, .. } => format!("closed {name} {}", energy.value),
            EventKind::SpanClosed { name, stage, .. } => format!("span {name} in {stage:?}"),
            EventKind::Progress { done, of, .. } => format!("{done} of {of}"),
            EventKind::Finished => "finished".to_owned(),
            other => format!("{other:?}"),
        })
        .collect();
    let expected = [
        "opened work",
        "1 of 2",
        "closed work 5",
        "span rest in None",
        "opened outer",
        "span inside in Some(2)",
        "closed outer 0",
        "finished",
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn the_sampling_thread_tells_the_power() {
    let dial = Dial::default();
    let (to, samples) = std::sync::mpsc::channel();
    let source = DialSource::new(dial.clone());
    let observer = move |event: &Event| {
        if let EventKind::Sample { energy_j, .. } = event.kind {
            // The test stops listening before the session stops sampling.
            let _ = to.send(energy_j);
        }
    };
    let session = Session::builder()
        .source(source)
        .interval(Duration::from_millis(1))
        .observer(observer)
        .open()
        .unwrap();
    dial.add(2.0);
    assert!(samples.iter().any(|energy_j| energy_j == 2.0));
    drop(session);
}

#[test]
fn an_observer_may_ask_for_a_reading() {
    let dial = Dial::default();
    let session = Arc::new(Mutex::new(None::<Arc<Session>>));
    let (asks, seen) = (Arc::clone(&session), Arc::new(Mutex::new(Vec::new())));
    let into = Arc::clone(&seen);
    let observer = move |_: &Event| {
        if let Some(session) = &*asks.lock().unwrap() {
            into.lock().unwrap().push(session.reading().energy.value);
        }
    };
    let source = DialSource::new(dial.clone());
    let opened =
        Arc::new(Session::builder().source(source).interval(NEVER).observer(observer).open().unwrap());
    *session.lock().unwrap() = Some(Arc::clone(&opened));
    dial.add(2.0);
    // The reading inside the observer is also the one that finds the source lost.
    dial.fail(Some(ReadErrorKind::Gone));
    opened.emit(EventKind::Finished);
    opened.close_stage(opened.open_stage("next", &[]));
    assert_eq!(*seen.lock().unwrap(), [0.0; 4]);
    session.lock().unwrap().take();
}

#[test]
fn a_lost_source_stops_where_it_was() {
    let dial = Dial::default();
    let (session, events) = recorded(&dial);
    dial.add(3.0);
    session.reading();
    dial.add(1.0);
    dial.fail(Some(ReadErrorKind::Gone));
    assert_eq!(session.reading().energy.value, 3.0);
    assert!(session.check().is_ok(), "only strict sessions fail");
    let summary = session.finish();
    assert_eq!(summary.total.value, 3.0);
    assert_eq!(summary.sources, ["dial (lost)"]);
    assert_eq!(summary.caveats[0].code, "source-lost");
    assert!(summary.caveats[0].text.contains("the dial is broken"), "{:?}", summary.caveats);
    let told =
        |event: &Event| matches!(&event.kind, EventKind::Caveat(caveat) if caveat.code == "source-lost");
    assert_eq!(events.lock().unwrap().iter().filter(|event| told(event)).count(), 1);
}

#[test]
fn losing_a_source_fails_a_strict_session() {
    let dial = Dial::default();
    let source = DialSource::new(dial.clone());
    let session = Session::builder().source(source).interval(NEVER).strict(true).open().unwrap();
    assert!(session.check().is_ok());
    dial.fail(Some(ReadErrorKind::Fatal));
    session.reading();
    assert_eq!(session.check().unwrap_err().kind(), ErrorKind::SourceLost);
}

#[test]
fn a_hiccup_is_caught_up_with() {
    let dial = Dial::default();
    let session = dial.session();
    dial.fail(Some(ReadErrorKind::Retry));
    dial.add(3.0);
    assert_eq!(session.reading().energy.value, 0.0);
    dial.fail(None);
    assert_eq!(session.reading().energy.value, 3.0);
    assert!(session.finish().caveats.is_empty());
}

fn zone(root: &Path, name: &str, energy_uj: u64) {
    let path = root.join("class/powercap/intel-rapl:0");
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("name"), name).unwrap();
    fs::write(path.join("max_energy_range_uj"), "262143328850").unwrap();
    fs::write(path.join("energy_uj"), energy_uj.to_string()).unwrap();
}

#[test]
fn counters_are_preferred_to_the_model() {
    let sysfs = tempfile::tempdir().unwrap();
    zone(sysfs.path(), "package-0", 1_000_000);
    let session = Session::builder().sysfs_root(sysfs.path()).interval(NEVER).open().unwrap();
    let stage = session.open_stage("work", &[]);
    zone(sysfs.path(), "package-0", 3_500_000);
    assert_eq!(session.close_stage(stage).energy.value, 2.5);
    let summary = session.finish();
    assert_eq!(summary.sources[0], "powercap: package-0");
    assert!(summary.scope.starts_with("whole machine, CPU, measured"), "{}", summary.scope);
}

#[test]
fn the_model_takes_over_from_counters_that_are_lost() {
    let sysfs = tempfile::tempdir().unwrap();
    zone(sysfs.path(), "package-0", 0);
    let session = Session::builder().sysfs_root(sysfs.path()).interval(NEVER).open().unwrap();
    zone(sysfs.path(), "package-0", 2_000_000);
    assert_eq!(session.reading().energy.method, Method::Measured);
    fs::remove_dir_all(sysfs.path().join("class")).unwrap();
    session.reading();
    let stage = session.open_stage("work", &[]);
    let end = joulewise_meter::cpu_time_s() + 0.02;
    while joulewise_meter::cpu_time_s() < end {
        std::hint::spin_loop();
    }
    let record = session.close_stage(stage);
    assert_eq!(record.energy.method, Method::Modelled);
    assert!(record.energy.value > 0.0 && record.energy.high > record.energy.value);
    let summary = session.finish();
    assert!(summary.total.value > 2.0);
    assert_eq!(summary.caveats[0].code, "source-lost");
    assert!(summary.caveats[0].text.ends_with("the model counts from here on"));
}

#[test]
fn a_machine_without_counters_is_modelled_and_says_so() {
    let sysfs = tempfile::tempdir().unwrap();
    let session = Session::builder().sysfs_root(sysfs.path()).strict(true).open().unwrap();
    let summary = session.finish();
    assert_eq!(summary.total.method, Method::Modelled);
    assert_eq!(summary.caveats[0].code, "modelled-energy");
    assert!(summary.scope.starts_with("process tree, CPU, modelled"), "{}", summary.scope);
}

#[test]
fn a_strict_session_refuses_counters_that_cannot_be_read() {
    let sysfs = tempfile::tempdir().unwrap();
    zone(sysfs.path(), "package-0", 0);
    let counter = sysfs.path().join("class/powercap/intel-rapl:0/energy_uj");
    fs::remove_file(&counter).unwrap();
    // Root may read any file; nobody can read a directory as one.
    fs::create_dir(&counter).unwrap();
    let open = |strict| Session::builder().sysfs_root(sysfs.path()).strict(strict).open();
    assert_eq!(open(true).err().unwrap().kind(), ErrorKind::Unreadable);
    let codes: Vec<_> = open(false).unwrap().finish().caveats.into_iter().map(|caveat| caveat.code).collect();
    assert_eq!(codes, ["unreadable-counter", "modelled-energy"]);
}

/// A sandbox may refuse the events too: then the model counts, and both refusals are told.
#[test]
fn power_events_stand_in_for_zones_that_cannot_be_read() {
    let sysfs = tempfile::tempdir().unwrap();
    zone(sysfs.path(), "package-0", 0);
    let counter = sysfs.path().join("class/powercap/intel-rapl:0/energy_uj");
    fs::remove_file(&counter).unwrap();
    fs::create_dir(&counter).unwrap();
    // The kernel's CPU clock stands in for the hardware: 10⁹ counts a second, called a joule here.
    let pmu = sysfs.path().join("bus/event_source/devices/power");
    fs::create_dir_all(pmu.join("events")).unwrap();
    let files = [
        ("type", "1"),
        ("cpumask", "0"),
        ("events/energy-pkg", "event=0x00"),
        ("events/energy-pkg.scale", "1e-9"),
    ];
    files.iter().for_each(|(name, text)| fs::write(pmu.join(name), text).unwrap());

    let session = Session::builder().sysfs_root(sysfs.path()).interval(NEVER).open().unwrap();
    std::thread::sleep(Duration::from_millis(2));
    let summary = session.finish();
    if summary.total.method == Method::Measured {
        assert_eq!(summary.sources[0], "perf: package-0");
        assert!(summary.scope.starts_with("whole machine, CPU, measured"), "{}", summary.scope);
        assert!(summary.total.value > 1e-3 && summary.caveats.is_empty(), "{summary:?}");
    } else {
        let codes: Vec<_> = summary.caveats.iter().map(|caveat| caveat.code.as_str()).collect();
        assert_eq!(codes, ["unreadable-counter", "unreadable-counter", "modelled-energy"]);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Open,
    Close,
    Use(f64),
}

proptest! {
    /// Whatever is opened, closed and used: entries and the rest sum to the total exactly, and nothing is lost.
    #[test]
    fn entries_partition_the_total(
        steps in prop::collection::vec(
            prop_oneof![Just(Step::Open), Just(Step::Close), (0.0..1e4).prop_map(Step::Use)],
            0..60,
        )
    ) {
        let dial = Dial::default();
        let session = dial.session();
        let (mut open, mut used_j) = (Vec::new(), 0.0);
        for step in steps {
            match step {
                Step::Open => open.push(session.open_stage("stage", &[])),
                Step::Close => drop(open.pop().map(|id| session.close_stage(id))),
                Step::Use(joules) => {
                    dial.add(joules);
                    used_j += joules;
                }
            }
        }
        let summary = session.finish();
        let entries = summary.stages.iter().fold(0.0, |sum, stage| sum + stage.energy.value);
        prop_assert_eq!(entries + summary.unattributed_j, summary.total.value);
        prop_assert!((summary.total.value - used_j).abs() <= 1e-9 * used_j);
        for stage in &summary.stages {
            let inside = summary.stages.iter().filter(|other| other.parent == Some(stage.id));
            let nested: f64 = inside.map(|other| other.inclusive.value).sum();
            prop_assert!((stage.energy.value + nested - stage.inclusive.value).abs() <= 1e-9 * used_j);
        }
    }
}
