//! What a hardware thread draws, by family of processor.
//!
//! The watts are those of a whole server (processors, memory, fans, power supply) at the wall, divided by its
//! hardware threads: medians that we derived per family from the results of SPECpower_ssj2008 published by the
//! Standard Performance Evaluation Corporation (<https://www.spec.org/power_ssj2008/results>), as collected in
//! `SPECpower-2026-03-09.csv` of ccf-coefficients (Cloud Carbon Footprint, Apache-2.0,
//! <https://github.com/cloud-carbon-footprint/ccf-coefficients>), retrieved 2026-04-24. SPEC and SPECpower are
//! trademarks of that corporation, which does not endorse this use of its results.

use std::fs;

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Family {
    /// As in `AMD EPYC 9004 (Zen 4)`.
    pub name: &'static str,
    /// Watts per hardware thread of an idle server.
    pub idle_w: f64,
    /// Watts per hardware thread of a fully loaded server.
    pub full_w: f64,
    /// Factors from the model's joules to the ends of their interval.
    pub scale: (f64, f64),
}

/// Held-out servers of a known family lie within these factors, turbo and neighbours included.
const KNOWN: (f64, f64) = (0.6, 1.7);
/// The same over servers of every family.
const UNKNOWN: (f64, f64) = (0.35, 2.3);

const fn row(name: &'static str, idle_w: f64, full_w: f64, scale: (f64, f64)) -> Family {
    Family { name, idle_w, full_w, scale }
}

const ROME: Family = row("AMD EPYC 7002 (Zen 2)", 0.44, 1.66, KNOWN);
const MILAN: Family = row("AMD EPYC 7003 (Zen 3)", 0.42, 1.92, KNOWN);
const GENOA: Family = row("AMD EPYC 9004 (Zen 4)", 0.28, 1.53, KNOWN);
const SIENA: Family = row("AMD EPYC 8004 (Zen 4c)", 0.57, 1.81, KNOWN);
const TURIN: Family = row("AMD EPYC 9005 (Zen 5)", 0.21, 1.17, KNOWN);
const SKYLAKE: Family = row("Intel Xeon (Skylake)", 0.53, 4.12, KNOWN);
const CASCADE_LAKE: Family = row("Intel Xeon (Cascade Lake)", 0.59, 4.04, KNOWN);
const ICE_LAKE: Family = row("Intel Xeon (Ice Lake)", 0.92, 4.12, KNOWN);
const SAPPHIRE_RAPIDS: Family = row("Intel Xeon (Sapphire Rapids)", 0.90, 3.99, KNOWN);
const EMERALD_RAPIDS: Family = row("Intel Xeon (Emerald Rapids)", 0.82, 3.26, KNOWN);
const GRANITE_RAPIDS: Family = row("Intel Xeon 6 (Granite Rapids)", 0.62, 2.72, KNOWN);
const SIERRA_FOREST: Family = row("Intel Xeon 6 (Sierra Forest)", 0.69, 2.56, KNOWN);
const NEOVERSE_N1: Family = row("Arm Neoverse N1 (Ampere Altra)", 0.62, 1.92, KNOWN);
/// No measurement of the newer Neoverse cores is public; the nearest family stands in for them.
const NEOVERSE_NEWER: Family = row("Arm Neoverse (as Ampere Altra)", 0.62, 1.92, UNKNOWN);
/// The median of all servers in the table.
const ANY_SERVER: Family = row("unknown processor (median server)", 0.60, 2.64, UNKNOWN);

impl Family {
    /// The family of the processor that this process runs on.
    pub fn of_this_machine() -> Self {
        Self::from_cpuinfo(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
    }

    /// The family that the text of `/proc/cpuinfo` names; the median server if the table lacks it.
    pub fn from_cpuinfo(cpuinfo: &str) -> Self {
        let field = |wanted: &str| {
            let value = |line: &'_ str| {
                let (key, value) = line.split_once(':')?;
                (key.trim() == wanted).then(|| value.trim().to_owned())
            };
            cpuinfo.lines().find_map(value).unwrap_or_default()
        };
        let number = |wanted: &str| field(wanted).parse::<u32>().unwrap_or(u32::MAX);
        if field("CPU implementer") == "0x41" {
            return match field("CPU part").as_str() {
                "0xd0c" => NEOVERSE_N1,
                "0xd40" | "0xd49" | "0xd4f" | "0xd84" => NEOVERSE_NEWER,
                _ => ANY_SERVER,
            };
        }
        match (field("vendor_id").as_str(), number("cpu family"), number("model")) {
            ("AuthenticAMD", 23, 0x30..=0x3f) => ROME,
            ("AuthenticAMD", 25, 0x00..=0x0f) => MILAN,
            ("AuthenticAMD", 25, 0xa0..=0xaf) if field("model name").contains("EPYC 8") => SIENA,
            ("AuthenticAMD", 25, 0x10..=0x1f | 0xa0..=0xaf) => GENOA,
            ("AuthenticAMD", 26, 0x00..=0x1f) => TURIN,
            ("GenuineIntel", 6, 85) if number("stepping") <= 4 => SKYLAKE,
            ("GenuineIntel", 6, 85) => CASCADE_LAKE,
            ("GenuineIntel", 6, 106 | 108) => ICE_LAKE,
            ("GenuineIntel", 6, 143) => SAPPHIRE_RAPIDS,
            ("GenuineIntel", 6, 207) => EMERALD_RAPIDS,
            ("GenuineIntel", 6, 173 | 174) => GRANITE_RAPIDS,
            ("GenuineIntel", 6, 175) => SIERRA_FOREST,
            _ => ANY_SERVER,
        }
    }

    /// Whether the table has a row for this processor.
    pub fn is_known(&self) -> bool {
        *self != ANY_SERVER
    }

    /// Watts of one busy hardware thread when the share `busy` (0 to 1) of the machine's threads is busy: its own
    /// idle watts, and its part of what the machine draws above idle.
    pub fn busy_thread_w(&self, busy: f64) -> f64 {
        self.idle_w + active_share(busy) * (self.full_w - self.idle_w)
    }
}

/// What the servers in the table draw above idle at 0, 10, … 100 % load, as a part of what they draw above idle at
/// full load: the median over servers.
const CURVE: [f64; 11] = [0.0, 0.17, 0.23, 0.30, 0.36, 0.43, 0.50, 0.60, 0.72, 0.86, 1.0];

/// `f(busy) / busy` for the curve `f`: how far the active power per busy thread is above that at full load.
fn active_share(busy: f64) -> f64 {
    let at = busy.clamp(0.0, 1.0) * 10.0;
    let left = (at.floor() as usize).min(CURVE.len() - 2);
    if left == 0 {
        // The first piece of the curve is a line through the origin: the quotient is its slope, also at 0 itself.
        return CURVE[1] * 10.0;
    }
    let f = CURVE[left] + (at - left as f64) * (CURVE[left + 1] - CURVE[left]);
    f * 10.0 / at
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn families_are_told_by_their_numbers() {
        let cpuinfo = |vendor: &str, family: u32, model: u32, name: &str, stepping: u32| {
            format!(
                "processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {model}\n\
                 model name\t: {name}\nstepping\t: {stepping}\n"
            )
        };
        let family = |vendor, family, model, name, stepping| {
            Family::from_cpuinfo(&cpuinfo(vendor, family, model, name, stepping))
        };
        assert_eq!(family("AuthenticAMD", 25, 17, "AMD EPYC 9654", 1), GENOA);
        assert_eq!(family("AuthenticAMD", 25, 160, "AMD EPYC 9754", 2), GENOA);
        assert_eq!(family("AuthenticAMD", 25, 160, "AMD EPYC 8534P", 2), SIENA);
        assert_eq!(family("GenuineIntel", 6, 85, "Intel(R) Xeon(R) Platinum", 4), SKYLAKE);
        assert_eq!(family("GenuineIntel", 6, 85, "Intel(R) Xeon(R) Platinum", 7), CASCADE_LAKE);
        assert_eq!(family("GenuineIntel", 6, 143, "Intel(R) Xeon(R)", 8), SAPPHIRE_RAPIDS);
        assert_eq!(family("GenuineIntel", 6, 167, "Intel(R) Xeon(R) Processor", 1), ANY_SERVER);
        assert_eq!(
            Family::from_cpuinfo("CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n").name,
            NEOVERSE_N1.name
        );
        assert!(!Family::from_cpuinfo("").is_known());
    }

    #[test]
    fn a_full_machine_draws_the_full_watts_of_every_thread() {
        assert_eq!(GENOA.busy_thread_w(1.0), GENOA.full_w);
        // At half load the curve gives 0.43 of the active power, shared by half the threads.
        let half = GENOA.idle_w + 0.86 * (GENOA.full_w - GENOA.idle_w);
        assert!((GENOA.busy_thread_w(0.5) - half).abs() < 1e-12);
        assert_eq!(GENOA.busy_thread_w(0.0), GENOA.busy_thread_w(0.1));
    }

    proptest! {
        #[test]
        fn watts_are_bounded(busy in -1.0..2.0f64) {
            let watts = ANY_SERVER.busy_thread_w(busy);
            prop_assert!(ANY_SERVER.idle_w < watts && watts <= ANY_SERVER.idle_w + 1.7001 * ANY_SERVER.full_w);
        }
    }
}
