//! Which examples a training can do without, told from the user's own features or from a folder of pictures.
//!
//! Examples are numbered from 0 in the order of the rows of the features, or of the training pictures as their files
//! hold them. A selection is saved as numbers in a `.npy` file, which a training reads with `numpy.load`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use joulewise_learn::data::{self, Dataset, Features, LoadOptions};
use joulewise_learn::npy::{self, Array, Numbers};
use serde::Serialize;

use crate::hint::Hint as _;

/// What is selected from.
pub enum Examples {
    /// The training pictures of a data set.
    Pictures(Box<Dataset>),
    /// Rows of numbers, and the class of each; one class for all where there are no labels.
    Rows(Features, Vec<u16>),
}

/// Where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder or file that [`data::load`] reads.
    Pictures {
        /// Its place.
        path: PathBuf,
        /// Leave out what cannot be decoded.
        skip_bad: bool,
    },
    /// Arrays.
    Rows {
        /// float32 `[examples, width]`.
        features: PathBuf,
        /// int64 or uint8 `[examples]`.
        labels: Option<PathBuf>,
    },
}

/// How examples are selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Covers each class in proportion to its density, without any training.
    Coreset,
    /// At random, the classes in their proportions: what any other method has to beat.
    Random,
}

/// Examples that were selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Their numbers, ascending.
    pub indices: Vec<u32>,
    /// How many examples there are.
    pub of: usize,
    /// How many were left out because another one says the same.
    pub duplicates: usize,
}

impl Source {
    /// Reads the examples.
    pub fn load(&self) -> Result<Examples> {
        match self {
            Self::Pictures { path, skip_bad } => {
                let options = LoadOptions { skip_bad: *skip_bad };
                Ok(Examples::Pictures(Box::new(data::load(path, &options)?)))
            }
            Self::Rows { features, labels } => Examples::rows(features, labels.as_deref()),
        }
    }
}

impl Examples {
    fn rows(features: &Path, labels: Option<&Path>) -> Result<Self> {
        let Array { shape, numbers } = npy::read(features)?;
        let name = features.display();
        let Numbers::F32(numbers) = numbers else {
            return Err(anyhow!("{name}: float32 numbers are expected"))
                .hint("save them with `x.astype(numpy.float32)`");
        };
        let &[examples, width] = &shape[..] else {
            bail!("{name}: an array of [examples, width] is expected, and this one is {shape:?}");
        };
        if examples == 0 || width == 0 {
            bail!("{name}: the array of {shape:?} holds no features");
        }
        if let Some(place) = numbers.iter().position(|number| !number.is_finite()) {
            bail!("{name}: row {} holds {}", place / width, numbers[place]);
        }
        let labels = match labels {
            Some(path) => read_labels(path, examples)?,
            None => vec![0; examples],
        };
        Ok(Self::Rows(Features::new(width, numbers), labels))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Pictures(data) => data.train.len(),
            Self::Rows(_, labels) => labels.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Leaves out duplicates, then selects `n` of the others; all of them where there are fewer.
    pub fn select(&self, method: Method, n: usize, seed: u64) -> Selection {
        let all: Vec<u32> = (0..self.len() as u32).collect();
        let distinct = self.distinct(&all);
        let indices = match (self, method) {
            (Self::Pictures(data), Method::Coreset) => {
                data::coreset(&data.train, &distinct, data.classes.len(), n, seed)
            }
            (Self::Rows(features, labels), Method::Coreset) => {
                let classes = labels.iter().max().map_or(0, |&label| usize::from(label) + 1);
                let labels: Vec<u16> = distinct.iter().map(|&row| labels[row as usize]).collect();
                let rows = distinct.iter().flat_map(|&row| features.row(row as usize)).copied().collect();
                let features = Features::new(features.row(0).len(), rows);
                let places = data::coreset_of(&features, &labels, classes, n, seed);
                places.into_iter().map(|place| distinct[place as usize]).collect()
            }
            (_, Method::Random) => data::stratified_subset(&distinct, self.labels(), n, seed),
        };
        Selection { indices, of: all.len(), duplicates: all.len() - distinct.len() }
    }

    /// `all` without those that say what an earlier one says: pictures that are nearly alike, or equal rows.
    fn distinct(&self, all: &[u32]) -> Vec<u32> {
        match self {
            Self::Pictures(data) => data::duplicates(&data.train, all).remaining(all),
            Self::Rows(features, labels) => {
                let mut seen = HashSet::with_capacity(all.len());
                let key = |&row: &u32| -> (u16, Vec<u32>) {
                    let bits = features.row(row as usize).iter().map(|number| number.to_bits());
                    (labels[row as usize], bits.collect())
                };
                all.iter().copied().filter(|row| seen.insert(key(row))).collect()
            }
        }
    }

    fn labels(&self) -> &[u16] {
        match self {
            Self::Pictures(data) => &data.train.labels,
            Self::Rows(_, labels) => labels,
        }
    }
}

impl Selection {
    /// Writes the numbers to `path`, int64: whole or not at all. Makes the folder if there is none.
    pub fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        let numbers = Numbers::I64(self.indices.iter().map(|&index| i64::from(index)).collect());
        Ok(npy::write(path, &Array { shape: vec![self.indices.len()], numbers })?)
    }
}

fn read_labels(path: &Path, examples: usize) -> Result<Vec<u16>> {
    let Array { shape, numbers } = npy::read(path)?;
    let name = path.display();
    if shape != [examples] {
        bail!("{name}: {examples} labels are expected, one for each row of the features, not {shape:?}");
    }
    let class = |label: i64| {
        u16::try_from(label).map_err(|_| anyhow!("{name}: {label} is no class: classes are 0 to 65535"))
    };
    match numbers {
        Numbers::I64(labels) => labels.into_iter().map(class).collect(),
        Numbers::U8(labels) => Ok(labels.into_iter().map(u16::from).collect()),
        Numbers::F32(_) => {
            Err(anyhow!("{name}: labels are whole numbers")).hint("save them with `y.astype(numpy.int64)`")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn save(folder: &Path, name: &str, shape: &[usize], numbers: Numbers) -> std::path::PathBuf {
        let path = folder.join(name);
        npy::write(&path, &Array { shape: shape.to_vec(), numbers }).unwrap();
        path
    }

    /// Two classes on a line, the rows of the second one three times each.
    fn rows(folder: &Path) -> Examples {
        let numbers =
            (0..40).flat_map(|i| [if i < 10 { i } else { 100 + (i - 10) / 3 } as f32, 0.5]).collect();
        let labels = (0..40).map(|i| i64::from(i >= 10)).collect();
        let features = save(folder, "x.npy", &[40, 2], Numbers::F32(numbers));
        let labels = save(folder, "y.npy", &[40], Numbers::I64(labels));
        Examples::rows(&features, Some(&labels)).unwrap()
    }

    #[test]
    fn equal_rows_are_left_out_and_classes_keep_their_proportions() {
        let folder = tempfile::tempdir().unwrap();
        let examples = rows(folder.path());
        for method in [Method::Coreset, Method::Random] {
            let selection = examples.select(method, 10, 1);
            assert_eq!((selection.of, selection.duplicates), (40, 20));
            let second = selection.indices.iter().filter(|&&i| i >= 10).count();
            assert_eq!((selection.indices.len(), second), (10, 5));
            assert!(selection.indices.iter().all(|&i| i < 10 || (i - 10) % 3 == 0), "{selection:?}");
            assert_eq!(examples.select(method, 1000, 1).indices.len(), 20);
        }
    }

    #[test]
    fn a_coreset_of_rows_takes_one_from_each_stretch() {
        let folder = tempfile::tempdir().unwrap();
        let chosen = rows(folder.path()).select(Method::Coreset, 10, 3).indices;
        for pair in 0..5 {
            assert_eq!(chosen.iter().filter(|&&i| i / 2 == pair).count(), 1, "{chosen:?}");
        }
    }

    #[test]
    fn a_selection_is_what_numpy_loads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chosen.npy");
        Selection { indices: vec![3, 5], of: 9, duplicates: 0 }.write(&path).unwrap();
        assert_eq!(npy::read(&path).unwrap(), Array { shape: vec![2], numbers: Numbers::I64(vec![3, 5]) });
    }

    #[test]
    fn what_cannot_be_selected_from_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, shape: &[usize], numbers| save(folder.path(), name, shape, numbers);
        let message = |features: &Path, labels: Option<&Path>| {
            Examples::rows(features, labels).err().map(|error| format!("{error:#}")).unwrap_or_default()
        };
        let x = file("x.npy", &[2, 1], Numbers::F32(vec![1.0, 2.0]));
        assert!(message(&file("a.npy", &[2], Numbers::I64(vec![1, 2])), None).contains("float32"));
        assert!(
            message(&file("b.npy", &[2], Numbers::F32(vec![1.0, 2.0])), None).contains("[examples, width]")
        );
        assert!(
            message(&file("c.npy", &[1, 1], Numbers::F32(vec![f32::NAN])), None).contains("row 0 holds NaN")
        );
        let labels = file("d.npy", &[3], Numbers::I64(vec![0, 1, 2]));
        assert!(message(&x, Some(&labels)).contains("2 labels are expected"));
        let labels = file("e.npy", &[2], Numbers::I64(vec![0, -1]));
        assert!(message(&x, Some(&labels)).contains("-1 is no class"));
    }
}
