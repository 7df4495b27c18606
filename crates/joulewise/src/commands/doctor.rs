//! `joulewise doctor`: what can be measured here, and what would have to be allowed for more.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use joulewise_meter::environment::Environment;
use joulewise_meter::survey::{Finding, State, Survey};
use serde::Serialize;

use crate::exit;
use crate::hint::Hint as _;
use crate::report::quantity::plural;
use crate::report::terminal::{is_coloured, width, wrapped};
use crate::result::SCHEMA;

/// Show what can be measured here, and what would have to be allowed for more.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// Look at another root folder than /, as that of a host that is mounted into a container
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Write one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// The machine-readable result.
#[derive(Serialize)]
struct Diagnosis<'a> {
    schema: u32,
    #[serde(flatten)]
    survey: &'a Survey,
}

impl Doctor {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        std::fs::read_dir(&self.root)
            .with_context(|| format!("cannot look at {}", self.root.display()))
            .hint("name a folder that holds `proc` and `sys`")?;
        let survey = Survey::below(&self.root);
        let stdout = io::stdout();
        let is_coloured = is_coloured(&stdout);
        let mut out = stdout.lock();
        if self.json {
            let diagnosis = Diagnosis { schema: SCHEMA, survey: &survey };
            serde_json::to_writer_pretty(&mut out, &diagnosis).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            let mut text = String::new();
            tell(&mut text, &survey, width().clamp(60, 120), is_coloured)?;
            out.write_all(text.as_bytes())?;
        }
        Ok(ExitCode::from(exit::OK))
    }
}

/// Columns before the text of a finding.
const INDENT: usize = 27;

/// The survey for people: the machine, a line per source, how right the joules are, and what would enable more.
fn tell(out: &mut String, survey: &Survey, width: usize, is_coloured: bool) -> fmt::Result {
    let threads = plural(survey.threads, "thread");
    wrapped(out, &format!("{}, {threads}, {}", survey.processor, place(&survey.environment)), width);
    writeln!(out)?;
    for finding in &survey.findings {
        let mark = mark(finding, is_coloured);
        let text = paragraph(&finding.text, INDENT, width);
        writeln!(out, "  {mark} {:13} {:8} {text}", finding.source, word(finding.state))?;
    }
    writeln!(out)?;
    list(out, "  Now       ", &survey.accuracy, width)?;
    list(out, "  Possible  ", &survey.attainable, width)?;
    for advice in advice(survey) {
        writeln!(out)?;
        wrapped(out, &advice, width);
    }
    // A capability for one program is less than a rule for a group.
    let (one, many): (Vec<_>, Vec<_>) = survey.findings.iter().partition(|finding| finding.source == "perf");
    for finding in one.into_iter().chain(many) {
        for cure in &finding.cures {
            writeln!(out, "\nFor {}: {}", finding.source, cure.scope)?;
            cure.commands.iter().try_for_each(|command| writeln!(out, "  {command}"))?;
        }
    }
    Ok(())
}

/// Where the program runs, as in `bare metal` or `in a Docker container in a virtual machine (KVM)`.
fn place(environment: &Environment) -> String {
    let mut places = Vec::new();
    if let Some(slurm) = &environment.slurm {
        places.push(format!("Slurm job {}", slurm.job));
    }
    if let Some(kind) = &environment.container {
        places.push(if kind == "unknown" {
            "a container".to_owned()
        } else {
            format!("a container ({kind})")
        });
    }
    match &environment.virtual_machine {
        _ if environment.is_wsl => places.push("WSL".to_owned()),
        Some(kind) if kind == "unknown" => places.push("a virtual machine".to_owned()),
        Some(kind) => places.push(format!("a virtual machine ({kind})")),
        None if places.is_empty() => return "bare metal".to_owned(),
        None => {}
    }
    format!("in {}", places.join(" in "))
}

/// What the place means for the joules.
fn advice(survey: &Survey) -> Vec<String> {
    let mut advice = Vec::new();
    let environment = &survey.environment;
    if !survey.is_measured() && survey.attainable.is_empty() {
        let why = match environment {
            Environment { virtual_machine: Some(_), .. } => "a hypervisor decides what its machines see",
            Environment { container: Some(_), .. } => "whoever starts a container decides what it sees",
            _ => "nothing here counts joules",
        };
        advice.push(format!(
            "The processor's joules stay modelled: {why}. Ratios of runs on this machine are ratios of CPU time: the \
             scale of the model cancels."
        ));
    }
    if environment.slurm.is_some() && survey.is_measured() {
        advice.push(
            "Counters see the whole node, other jobs included: ask for it alone (--exclusive), and let one task per node \
             measure."
                .to_owned(),
        );
    } else if environment.container.is_some() && survey.is_measured() {
        advice.push("Counters see the whole machine, other containers included.".to_owned());
    }
    advice
}

/// Lines below each other, behind a heading.
fn list(out: &mut String, heading: &str, lines: &[String], width: usize) -> fmt::Result {
    let indent = heading.len();
    for (i, line) in lines.iter().enumerate() {
        let heading = if i == 0 { heading } else { "" };
        writeln!(out, "{heading:indent$}{}", paragraph(line, indent, width))?;
    }
    Ok(())
}

/// Text in lines of at most `width` letters, all but the first behind an indentation.
fn paragraph(text: &str, indent: usize, width: usize) -> String {
    let mut lines = String::new();
    wrapped(&mut lines, text, width.saturating_sub(indent));
    lines.trim_end().replace('\n', &format!("\n{}", " ".repeat(indent)))
}

fn word(state: State) -> &'static str {
    match state {
        State::Used => "used",
        State::Spare => "spare",
        State::Refused => "refused",
        State::Absent => "absent",
    }
}

fn mark(finding: &Finding, is_coloured: bool) -> String {
    let (mark, colour) = match finding.state {
        State::Used => ('✓', 32),
        State::Spare => ('·', 2),
        State::Refused => ('✗', 31),
        State::Absent => ('–', 2),
    };
    if is_coloured { format!("\x1b[{colour}m{mark}\x1b[0m") } else { mark.to_string() }
}

#[cfg(test)]
mod tests {
    use joulewise_meter::cure::Cure;
    use joulewise_meter::environment::Slurm;

    use super::*;

    fn finding(source: &str, state: State, text: &str) -> Finding {
        Finding { source: source.to_owned(), state, text: text.to_owned(), cures: Vec::new() }
    }

    fn cure(scope: &str, commands: &[&str]) -> Vec<Cure> {
        let commands = commands.iter().map(|&command| command.to_owned()).collect();
        vec![Cure { scope: scope.to_owned(), commands }]
    }

    fn texts(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    fn virtual_machine() -> Survey {
        let why = "the hypervisor passes no counters on";
        Survey {
            processor: "Intel(R) Xeon(R) Processor".to_owned(),
            threads: 2,
            environment: Environment { virtual_machine: Some("KVM".to_owned()), ..Environment::default() },
            findings: vec![
                finding("powercap", State::Absent, why),
                finding("perf", State::Absent, why),
                finding(
                    "CPU model",
                    State::Used,
                    "Intel Xeon (Ice Lake): 0.92 W idle to 4.12 W busy per thread",
                ),
                finding("NVIDIA GPUs", State::Absent, "no card"),
            ],
            accuracy: texts(&["CPU: modelled from the CPU time of the process tree, within ×0.6 to ×1.7"]),
            attainable: Vec::new(),
        }
    }

    fn workstation() -> Survey {
        let zone = "/sys/devices/virtual/powercap/intel-rapl/intel-rapl:0/energy_uj: permission denied";
        let event = "the kernel's event power/energy-pkg/ cannot be read: permission denied; \
                     kernel.perf_event_paranoid is 2";
        let mut powercap = finding("powercap", State::Refused, zone);
        powercap.cures = cure(
            "members of the group joulewise, for good",
            &["sudo groupadd -f joulewise", "sudo udevadm trigger -s powercap"],
        );
        let mut perf = finding("perf", State::Refused, event);
        perf.cures = cure(
            "this program alone, until it is replaced",
            &["sudo setcap cap_perfmon=ep /usr/local/bin/joulewise"],
        );
        Survey {
            processor: "AMD Ryzen 9 7950X 16-Core Processor".to_owned(),
            threads: 32,
            environment: Environment::default(),
            findings: vec![
                powercap,
                perf,
                finding(
                    "CPU model",
                    State::Used,
                    "unknown processor (median server): 0.6 W idle to 2.64 W busy per thread",
                ),
                finding("gpu-0", State::Used, "NVIDIA GeForce RTX 4090, counter"),
                finding("gpu-1", State::Spare, "NVIDIA GeForce RTX 4090, left out by CUDA_VISIBLE_DEVICES"),
            ],
            accuracy: texts(&[
                "CPU: modelled from the CPU time of the process tree, within ×0.35 to ×2.3",
                "gpu-0: measured, the whole card, within 5 %, in steps of 100 ms",
            ]),
            attainable: texts(&["CPU: measured, the whole machine, within 5 %, in steps of 1 ms"]),
        }
    }

    fn batch_job() -> Survey {
        let slurm = Slurm { job: "4711".to_owned(), cpus: Some(8), tasks: Some(2) };
        Survey {
            processor: "AMD EPYC 9654 96-Core Processor".to_owned(),
            threads: 8,
            environment: Environment {
                container: Some("Apptainer".to_owned()),
                slurm: Some(slurm),
                ..Environment::default()
            },
            findings: vec![
                finding("powercap", State::Used, "package-0, package-1"),
                finding("perf", State::Spare, "package-0, package-1"),
                finding(
                    "CPU model",
                    State::Spare,
                    "AMD EPYC 9004 (Zen 4): 0.28 W idle to 1.53 W busy per thread",
                ),
            ],
            accuracy: texts(&["CPU: measured, the whole machine, within 5 %, in steps of 1 ms"]),
            attainable: Vec::new(),
        }
    }

    fn told(survey: &Survey, width: usize, is_coloured: bool) -> String {
        let mut text = String::new();
        tell(&mut text, survey, width, is_coloured).unwrap();
        text
    }

    #[test]
    fn a_virtual_machine() {
        insta::assert_snapshot!(told(&virtual_machine(), 100, false));
    }

    #[test]
    fn a_workstation_whose_counters_are_closed() {
        insta::assert_snapshot!(told(&workstation(), 100, false));
    }

    #[test]
    fn a_batch_job_in_a_container() {
        insta::assert_snapshot!(told(&batch_job(), 80, false));
    }

    #[test]
    fn lines_fit_and_colour_adds_no_letter() {
        for survey in [virtual_machine(), workstation(), batch_job()] {
            for width in 60..120 {
                let plain = told(&survey, width, false);
                let commands: Vec<&String> =
                    survey.findings.iter().flat_map(|f| &f.cures).flat_map(|cure| &cure.commands).collect();
                // Commands are to be copied, and a path has no place to break it at.
                let is_free = |line: &&str| {
                    !line.contains("/sys/") && !commands.iter().any(|command| line.contains(command.as_str()))
                };
                let longest = plain.lines().filter(is_free).map(|line| line.chars().count()).max();
                assert!(longest <= Some(width), "{width}\n{plain}");
                let mut painted = told(&survey, width, true);
                for code in ["\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"] {
                    painted = painted.replace(code, "");
                }
                assert_eq!(painted, plain);
            }
        }
    }
}
