//! Labelled images: loading, making, dividing and feeding them to a network.
//!
//! [`load`] recognises what lies at a path; [`glyphs()`] makes a data set out of nothing but a seed.
//! [`Split`] divides the training images, [`Batches`] and [`fill_image`] bring them to an engine,
//! [`duplicates()`] and [`coreset()`] find out which of them a training can do without.

mod batch;
mod cifar;
mod coreset;
mod duplicates;
mod error;
mod features;
mod folder;
mod glyphs;
mod idx;
mod normalise;
mod parquet;
mod picture;
mod split;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use batch::{Augment, Batches, augment_key, fill_image};
pub use coreset::{coreset, coreset_of};
pub use duplicates::{Duplicates, duplicates};
pub use error::{DataError, DataErrorKind};
pub use features::Features;
pub use glyphs::{Alphabet, Planted, glyphs, glyphs_of, planted};
pub use normalise::Normalise;
pub use split::{Split, stratified_subset};

/// Labelled images of one size. Clones share the pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Channels (1 or 3), height and width of every image.
    pub shape: [usize; 3],
    /// One byte per sample; images one after the other, each row by row with its channels interleaved.
    pub pixels: Arc<Vec<u8>>,
    /// The class of each image.
    pub labels: Arc<Vec<u16>>,
}

impl Images {
    /// Panics when there are not `labels.len()` images in `pixels`: a bug of the caller.
    pub fn new(shape: [usize; 3], pixels: Vec<u8>, labels: Vec<u16>) -> Self {
        assert_eq!(pixels.len(), labels.len() * shape.iter().product::<usize>(), "{shape:?} images");
        Self { shape, pixels: Arc::new(pixels), labels: Arc::new(labels) }
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Samples of one image.
    pub fn samples(&self) -> usize {
        self.shape.iter().product()
    }

    /// Copies of the images `indices`, in that order. Panics when there is no such image.
    #[must_use]
    pub fn subset(&self, indices: &[u32]) -> Self {
        let pixels = indices.iter().flat_map(|&i| self.pixels_of(i as usize)).copied().collect();
        Self::new(self.shape, pixels, indices.iter().map(|&i| self.labels[i as usize]).collect())
    }

    /// Image number `i`: `height · width · channels` bytes. Panics when there is none.
    pub fn pixels_of(&self, i: usize) -> &[u8] {
        let samples = self.samples();
        &self.pixels[i * samples..(i + 1) * samples]
    }
}

/// What a network is to learn.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The name of the folder or file, or of the built-in set.
    pub name: String,
    /// The name of each class; labels are places in this list.
    pub classes: Vec<String>,
    /// Images to train on and to divide by [`Split`].
    pub train: Images,
    /// Images for the one final evaluation, where the source keeps some apart.
    pub test: Option<Images>,
    /// Images that were left out because they cannot be decoded, each with the reason.
    pub skipped: Vec<String>,
}

/// How to load.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Leave out images that cannot be decoded, and list them in [`Dataset::skipped`], instead of failing.
    pub skip_bad: bool,
}

/// Loads the data set at `path`, a folder or a file, in whichever of these formats it is:
/// IDX (plain or gzipped, MNIST's file names), Parquet with Hugging Face's image columns,
/// CIFAR-10's binary batches, or folders of PNG and JPEG files, one per class.
///
/// Labels are checked against the classes, and the test images against the shape of the training images.
pub fn load(path: &Path, options: &LoadOptions) -> Result<Dataset, DataError> {
    let files = Files::at(path)?;
    let dataset = if files.any(idx::is_images) {
        idx::load(&files)?
    } else if files.any(parquet::is_parquet) {
        parquet::load(&files, options.skip_bad)?
    } else if files.any(cifar::is_batch) {
        cifar::load(&files)?
    } else {
        let folder = if path.is_dir() { folder::load(path, files.name(), options.skip_bad)? } else { None };
        folder.ok_or_else(|| files.unknown())?
    };
    check(path, dataset)
}

/// The files that a data set may consist of.
struct Files {
    root: PathBuf,
    /// Files given or directly inside the folder, or else one level below it; sorted.
    paths: Vec<PathBuf>,
}

impl Files {
    fn at(root: &Path) -> Result<Self, DataError> {
        let metadata = fs::metadata(root).map_err(|error| DataError::io(root, &error))?;
        if metadata.is_file() {
            return Ok(Self { root: root.to_owned(), paths: vec![root.to_owned()] });
        }
        let (folders, mut paths) = entries(root)?;
        for folder in folders {
            paths.extend(entries(&folder)?.1);
        }
        Ok(Self { root: root.to_owned(), paths })
    }

    /// Files whose lower-case name `accepts`.
    fn named(&self, accepts: impl Fn(&str) -> bool) -> Vec<&Path> {
        let accepted = |path: &&PathBuf| {
            path.file_name().is_some_and(|name| accepts(&name.to_string_lossy().to_lowercase()))
        };
        self.paths.iter().filter(accepted).map(PathBuf::as_path).collect()
    }

    fn any(&self, accepts: impl Fn(&str) -> bool) -> bool {
        !self.named(accepts).is_empty()
    }

    fn unknown(&self) -> DataError {
        let (kind, wrong) = if self.paths.is_empty() {
            (DataErrorKind::Empty, "the folder is empty")
        } else {
            (DataErrorKind::UnknownFormat, "no known format of images is here")
        };
        let cure = "give IDX files (train-images-idx3-ubyte[.gz], train-labels-idx1-ubyte[.gz]), \
                    train-*.parquet, data_batch_*.bin, or one folder of PNG or JPEG files per class";
        DataError::of(kind, &self.root, wrong, cure)
    }

    /// What to call the data set.
    fn name(&self) -> String {
        let named = self.root.file_stem().filter(|_| self.root.is_file()).or(self.root.file_name());
        named.map_or_else(|| "data".to_owned(), |name| name.to_string_lossy().into_owned())
    }
}

/// Folders and files inside `folder`, sorted, hidden ones left out.
fn entries(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), DataError> {
    let unreadable = |error| DataError::io(folder, &error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths.into_iter().partition(|path| path.is_dir()))
}

/// What must hold of every data set, wherever it comes from.
fn check(path: &Path, dataset: Dataset) -> Result<Dataset, DataError> {
    if let (true, [first, ..]) = (dataset.train.is_empty(), &dataset.skipped[..]) {
        return Err(DataError::of(
            DataErrorKind::Empty,
            path,
            format!(
                "no training image is left: {} cannot be decoded and were skipped, the first of them {first}",
                dataset.skipped.len()
            ),
            "repair them",
        ));
    }
    if dataset.train.is_empty() || dataset.train.samples() == 0 {
        return Err(DataError::of(
            DataErrorKind::Empty,
            path,
            "there are no training images",
            "give a data set that has some",
        ));
    }
    for images in [Some(&dataset.train), dataset.test.as_ref()].into_iter().flatten() {
        let beyond = images.labels.iter().position(|&label| label as usize >= dataset.classes.len());
        if let Some(place) = beyond {
            let (label, classes) = (images.labels[place], dataset.classes.len());
            return Err(DataError::of(
                DataErrorKind::Labels,
                path,
                format!(
                    "image {place} has label {label}, but there are {classes} classes (0 to {})",
                    classes - 1
                ),
                "correct the labels",
            ));
        }
    }
    let first = dataset.train.labels[0];
    if dataset.train.labels.iter().all(|&label| label == first) {
        return Err(DataError::of(
            DataErrorKind::Labels,
            path,
            format!("all {} training images are of one class", dataset.train.len()),
            "give images of at least two classes",
        ));
    }
    match &dataset.test {
        Some(test) if test.shape != dataset.train.shape => Err(DataError::of(
            DataErrorKind::UnequalSizes,
            path,
            format!(
                "training images are {}, test images {}",
                extent(dataset.train.shape),
                extent(test.shape)
            ),
            "bring them to one size",
        )),
        _ => Ok(dataset),
    }
}

/// `28×28×1` for height, width and channels.
fn extent([channels, height, width]: [usize; 3]) -> String {
    format!("{height}×{width}×{channels}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_is_named() {
        let error = load(Path::new("no/such/folder"), &LoadOptions::default()).unwrap_err();
        assert_eq!(error.kind(), DataErrorKind::Missing);
        assert!(error.to_string().starts_with("no/such/folder: no such file or folder"), "{error}");
    }

    #[test]
    fn a_folder_of_nothing_known_says_what_is_expected() {
        let folder = tempfile::tempdir().unwrap();
        let error = load(folder.path(), &LoadOptions::default()).unwrap_err();
        assert_eq!(error.kind(), DataErrorKind::Empty);
        std::fs::write(folder.path().join("notes.txt"), "hello").unwrap();
        let error = load(folder.path(), &LoadOptions::default()).unwrap_err();
        assert_eq!(error.kind(), DataErrorKind::UnknownFormat);
        assert!(error.cure().contains("train-*.parquet"), "{error}");
    }

    /// The folder of real data sets, when the tests are to use it.
    fn real(name: &str) -> Option<PathBuf> {
        use std::io::Write;
        let folder = std::env::var_os("JOULEWISE_DATA").map(|root| PathBuf::from(root).join(name));
        if folder.is_none() {
            writeln!(std::io::stderr(), "skipped: JOULEWISE_DATA is not set").unwrap();
        }
        folder
    }

    #[test]
    fn real_mnist_is_read() {
        for name in ["mnist", "fashion-mnist"] {
            let Some(folder) = real(name) else { return };
            let dataset = load(&folder, &LoadOptions::default()).unwrap();
            assert_eq!((dataset.name.as_str(), dataset.classes.len()), (name, 10));
            assert_eq!((dataset.train.len(), dataset.test.unwrap().len()), (60_000, 10_000));
            assert_eq!(dataset.train.shape, [1, 28, 28]);
        }
    }

    #[test]
    fn real_cifar10_is_read() {
        let Some(folder) = real("cifar10") else { return };
        let dataset = load(&folder, &LoadOptions::default()).unwrap();
        assert_eq!(dataset.classes.len(), 10);
        assert_eq!((dataset.train.len(), dataset.test.unwrap().len()), (50_000, 10_000));
        assert_eq!(dataset.train.shape, [3, 32, 32]);
    }
}
