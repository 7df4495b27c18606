//! Which instruction set the kernels use, decided once at run time.

use std::fmt;

/// Name of the environment variable that forces an instruction set.
pub const ISA_VARIABLE: &str = "JOULEWISE_ISA";

/// An instruction set that the kernels are compiled for.
///
/// Results may differ between instruction sets in the last bits, because only some of them fuse a
/// multiplication with an addition; they never depend on the number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// What every processor of the target offers.
    Portable,
    /// AVX2 and FMA: 8 lanes, 16 registers.
    Avx2,
    /// AVX-512 F, BW, DQ and VL: 16 lanes, 32 registers.
    Avx512,
}

/// Why an instruction set cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{ISA_VARIABLE}={value}: {problem}")]
pub struct IsaError {
    value: String,
    problem: &'static str,
    cure: String,
}

impl IsaError {
    /// What to do about it: a sentence without a full stop that lists the choices.
    pub fn cure(&self) -> &str {
        &self.cure
    }
}

impl Isa {
    /// Every instruction set, from the plainest to the widest.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The widest instruction set that this processor has.
    pub fn detect() -> Self {
        Self::available().last().unwrap_or(Self::Portable)
    }

    /// The instruction set that `JOULEWISE_ISA` names, or [`Isa::detect`] where it is unset.
    ///
    /// An unknown name, or one that this processor lacks, is an error.
    pub fn from_env() -> Result<Self, IsaError> {
        match std::env::var(ISA_VARIABLE) {
            Ok(value) => Self::from_name(&value),
            Err(_) => Ok(Self::detect()),
        }
    }

    /// The instruction set called `name`: `portable`, `avx2` or `avx512`.
    pub fn from_name(name: &str) -> Result<Self, IsaError> {
        let cure = || format!("use one of {}, or unset it", available_names());
        let error = |problem| IsaError { value: name.to_owned(), problem, cure: cure() };
        let isa = Self::ALL
            .into_iter()
            .find(|isa| isa.name() == name)
            .ok_or_else(|| error("no instruction set of that name"))?;
        if isa.is_available() { Ok(isa) } else { Err(error("this processor lacks that instruction set")) }
    }

    /// The instruction sets of this processor, from the plainest to the widest.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// Whether this processor has the instruction set.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// Whether integer products use the VNNI dot product instead of plain arithmetic.
    pub fn has_vnni(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self == Self::Avx512 && self.is_available() && is_x86_feature_detected!("avx512vnni");
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// The name that `JOULEWISE_ISA` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Panics where the processor lacks the instruction set: running its code would be undefined.
    pub(crate) fn check(self) {
        assert!(self.is_available(), "this processor lacks {self}");
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn available_names() -> String {
    Isa::available().map(Isa::name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_unknown_ones_are_refused() {
        for isa in Isa::available() {
            assert_eq!(Isa::from_name(isa.name()), Ok(isa));
        }
        for isa in Isa::ALL.into_iter().filter(|isa| !isa.is_available()) {
            let error = Isa::from_name(isa.name()).unwrap_err();
            assert!(error.to_string().contains("this processor lacks") && !error.cure().contains(isa.name()));
        }
        let error = Isa::from_name("sse9").unwrap_err();
        assert!(
            error.to_string().contains("JOULEWISE_ISA=sse9") && error.cure().contains("portable"),
            "{error}"
        );
    }
}
