//! The IDX files that MNIST and its relatives come in.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::{DataError, DataErrorKind, Dataset, Files, Images};

/// Magic numbers: unsigned bytes in three dimensions, and in one.
const IMAGES: [u8; 4] = [0, 0, 8, 3];
const LABELS: [u8; 4] = [0, 0, 8, 1];
/// Deflate cannot shrink anything more than this.
const MOST_COMPRESSION: u64 = 1032;

/// Whether a file of this name should hold IDX images.
pub(super) fn is_images(name: &str) -> bool {
    name.contains("idx3")
}

/// Loads `train-images-idx3-ubyte[.gz]` and its like, with `t10k-` or `test-` images where there are some.
/// A single file of images is taken for the training images; its labels are looked for beside it.
pub(super) fn load(files: &Files) -> Result<Dataset, DataError> {
    let images = files.named(is_images);
    let is_test = |path: &&&Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        name.contains("t10k") || name.contains("test")
    };
    let test = images.iter().find(is_test).filter(|_| images.len() > 1);
    let Some(train) = images.iter().find(|path| Some(*path) != test) else {
        return Err(files.unknown());
    };
    let train = load_pair(train)?;
    let test = test.map(|path| load_pair(path)).transpose()?;
    let classes = train.labels.iter().max().map_or(0, |&label| label as usize + 1);
    Ok(Dataset {
        name: files.name(),
        classes: (0..classes).map(|class| class.to_string()).collect(),
        train,
        test,
        skipped: Vec::new(),
    })
}

/// The images of one file, and their labels from the file named accordingly.
fn load_pair(images_path: &Path) -> Result<Images, DataError> {
    let (dims, pixels) = read(images_path, IMAGES)?;
    let &[count, height, width] = dims.as_slice() else { unreachable!("the magic number says three") };
    let labels_path = labels_beside(images_path)?;
    let (_, labels) = read(&labels_path, LABELS)?;
    if labels.len() != count {
        let more = if labels.len() > count { "more labels than images" } else { "fewer labels than images" };
        return Err(DataError::of(
            DataErrorKind::Labels,
            &labels_path,
            format!("{more}: {} labels, {count} images in {}", labels.len(), images_path.display()),
            "give both files of the same split",
        ));
    }
    let labels = labels.into_iter().map(u16::from).collect();
    Ok(Images::new([1, height, width], pixels, labels))
}

/// `train-labels-idx1-ubyte[.gz]` beside `train-images-idx3-ubyte[.gz]`, gzipped or not.
fn labels_beside(images: &Path) -> Result<std::path::PathBuf, DataError> {
    let name = images.file_name().unwrap_or_default().to_string_lossy();
    let labels = name.replace("images", "labels").replace("idx3", "idx1");
    let plain = labels.strip_suffix(".gz").unwrap_or(&labels).to_owned();
    let gzipped = format!("{plain}.gz");
    let found = [&labels, &plain, &gzipped].into_iter().map(|name| images.with_file_name(name));
    found.into_iter().find(|path| path.is_file() && path != images).ok_or_else(|| {
        DataError::of(
            DataErrorKind::Missing,
            images,
            format!("its labels are missing: no file {labels} lies beside it"),
            "put it there",
        )
    })
}

/// The dimensions and the bytes of an IDX file. Nothing is allocated on the word of its header.
fn read(path: &Path, magic: [u8; 4]) -> Result<(Vec<usize>, Vec<u8>), DataError> {
    let unreadable = |error| DataError::io(path, &error);
    let malformed = |wrong: String| {
        DataError::of(DataErrorKind::Malformed, path, wrong, "download or copy the file again")
    };
    let file = File::open(path).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    if bytes == 0 {
        return Err(DataError::of(
            DataErrorKind::Empty,
            path,
            "the file is empty",
            "download or copy it again",
        ));
    }
    let gzipped = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    let file = BufReader::new(file);
    let mut reader: Box<dyn Read> =
        if gzipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let most = if gzipped { bytes.saturating_mul(MOST_COMPRESSION) } else { bytes };

    let mut word = [0; 4];
    reader.read_exact(&mut word).map_err(unreadable)?;
    if word != magic {
        let kind = if magic == IMAGES { "images" } else { "labels" };
        return Err(malformed(format!(
            "not an IDX file of {kind}: it begins with {word:02x?}, not {magic:02x?}"
        )));
    }
    let mut dims = Vec::new();
    for _ in 0..magic[3] {
        reader.read_exact(&mut word).map_err(unreadable)?;
        dims.push(u32::from_be_bytes(word) as usize);
    }
    let promised = dims.iter().try_fold(1u64, |product, &dim| product.checked_mul(dim as u64));
    let Some(promised) = promised.filter(|&promised| promised <= most) else {
        return Err(malformed(format!(
            "its header promises {} bytes, more than {bytes} bytes of file can hold",
            dims.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ")
        )));
    };
    let mut content = Vec::new();
    // One byte more than promised shows whether there is more.
    reader.take(promised + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() as u64 != promised {
        let held =
            if content.len() as u64 > promised { "more".to_owned() } else { content.len().to_string() };
        return Err(malformed(format!("its header promises {promised} bytes of content, it holds {held}")));
    }
    Ok((dims, content))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tempfile::TempDir;

    use super::*;
    use crate::data::{LoadOptions, load};

    fn idx(magic: [u8; 4], dims: &[u32], content: &[u8]) -> Vec<u8> {
        let dims = dims.iter().flat_map(|dim| dim.to_be_bytes());
        magic.into_iter().chain(dims).chain(content.iter().copied()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// A folder with four training images of 2×3 and these labels.
    fn folder(labels: &[u8]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let pixels: Vec<u8> = (0..24).collect();
        write(&folder, "train-images-idx3-ubyte", &idx(IMAGES, &[4, 2, 3], &pixels));
        write(&folder, "train-labels-idx1-ubyte", &idx(LABELS, &[labels.len() as u32], labels));
        folder
    }

    fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn failure(folder: &TempDir) -> (DataErrorKind, String) {
        let error = load(folder.path(), &LoadOptions::default()).unwrap_err();
        (error.kind(), error.to_string())
    }

    #[test]
    fn plain_and_gzipped_files_are_read() {
        let folder = folder(&[0, 1, 2, 1]);
        write(&folder, "t10k-images-idx3-ubyte.gz", &gzip(&idx(IMAGES, &[1, 2, 3], &[7; 6])));
        write(&folder, "t10k-labels-idx1-ubyte.gz", &gzip(&idx(LABELS, &[1], &[2])));
        let dataset = load(folder.path(), &LoadOptions::default()).unwrap();
        assert_eq!(dataset.classes, ["0", "1", "2"]);
        assert_eq!(dataset.train.shape, [1, 2, 3]);
        assert_eq!(dataset.train.pixels_of(3), [18, 19, 20, 21, 22, 23]);
        assert_eq!(*dataset.train.labels, [0, 1, 2, 1]);
        assert_eq!(dataset.test, Some(Images::new([1, 2, 3], vec![7; 6], vec![2])));
    }

    #[test]
    fn one_file_of_images_is_a_training_set() {
        let folder = folder(&[0, 1, 0, 1]);
        let path = folder.path().join("train-images-idx3-ubyte");
        let dataset = load(&path, &LoadOptions::default()).unwrap();
        assert_eq!((dataset.train.len(), dataset.test), (4, None));
    }

    #[test]
    fn numbers_of_images_and_labels_must_agree() {
        let (kind, message) = failure(&folder(&[0, 1, 0, 1, 1]));
        assert_eq!(kind, DataErrorKind::Labels);
        assert!(message.contains("more labels than images: 5 labels, 4 images"), "{message}");
        let (_, message) = failure(&folder(&[0, 1]));
        assert!(message.contains("fewer labels than images"), "{message}");
    }

    #[test]
    fn one_class_only_is_an_error() {
        let (kind, message) = failure(&folder(&[3, 3, 3, 3]));
        assert_eq!(kind, DataErrorKind::Labels);
        assert!(message.contains("all 4 training images are of one class"), "{message}");
    }

    #[test]
    fn test_labels_beyond_the_classes_are_an_error() {
        let folder = folder(&[0, 1, 0, 1]);
        write(&folder, "t10k-images-idx3-ubyte", &idx(IMAGES, &[1, 2, 3], &[7; 6]));
        write(&folder, "t10k-labels-idx1-ubyte", &idx(LABELS, &[1], &[2]));
        let (kind, message) = failure(&folder);
        assert_eq!(kind, DataErrorKind::Labels);
        assert!(message.contains("image 0 has label 2, but there are 2 classes"), "{message}");
    }

    #[test]
    fn a_truncated_gz_is_an_error() {
        let folder = folder(&[0, 1, 2, 1]);
        std::fs::remove_file(folder.path().join("train-images-idx3-ubyte")).unwrap();
        let noise: Vec<u8> = (0..6000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let whole = gzip(&idx(IMAGES, &[1000, 2, 3], &noise));
        let path = write(&folder, "train-images-idx3-ubyte.gz", &whole[..whole.len() / 2]);
        let (kind, message) = failure(&folder);
        assert_eq!(kind, DataErrorKind::Truncated);
        assert!(message.starts_with(&path.display().to_string()), "{message}");
    }

    #[test]
    fn a_header_that_lies_about_the_length_is_an_error() {
        for content in [23, 25] {
            let folder = folder(&[0, 1, 2, 1]);
            write(&folder, "train-images-idx3-ubyte", &idx(IMAGES, &[4, 2, 3], &vec![0; content]));
            assert_eq!(failure(&folder).0, DataErrorKind::Malformed, "{content} bytes for 24");
        }
    }

    #[test]
    fn absurd_dimensions_allocate_nothing() {
        let absurd = idx(IMAGES, &[u32::MAX, u32::MAX, u32::MAX], &[0; 100]);
        let large = idx(IMAGES, &[60000, 28, 28], &[0; 100]);
        for (name, bytes) in
            [("train-images-idx3-ubyte", absurd.clone()), ("train-images-idx3-ubyte.gz", gzip(&large))]
        {
            let folder = folder(&[0, 1, 2, 1]);
            std::fs::remove_file(folder.path().join("train-images-idx3-ubyte")).unwrap();
            write(&folder, name, &bytes);
            let (kind, message) = failure(&folder);
            assert_eq!(kind, DataErrorKind::Malformed);
            assert!(message.contains("promises"), "{message}");
        }
    }

    #[test]
    fn strange_files_are_errors() {
        let strange: [(&[u8], DataErrorKind); 4] = [
            (b"", DataErrorKind::Empty),
            (b"abc", DataErrorKind::Truncated),
            (b"<html>not found</html>", DataErrorKind::Malformed),
            (&[0, 0, 8, 3, 0, 0], DataErrorKind::Truncated),
        ];
        for (bytes, expected) in strange {
            let folder = folder(&[0, 1, 2, 1]);
            write(&folder, "train-images-idx3-ubyte", bytes);
            assert_eq!(failure(&folder).0, expected, "{bytes:?}");
        }
    }

    #[test]
    fn no_images_at_all_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder, "train-images-idx3-ubyte", &idx(IMAGES, &[0, 28, 28], &[]));
        write(&folder, "train-labels-idx1-ubyte", &idx(LABELS, &[0], &[]));
        assert_eq!(failure(&folder).0, DataErrorKind::Empty);
    }

    #[test]
    fn missing_labels_are_named() {
        let folder = folder(&[0, 1, 2, 1]);
        std::fs::remove_file(folder.path().join("train-labels-idx1-ubyte")).unwrap();
        let (kind, message) = failure(&folder);
        assert_eq!(kind, DataErrorKind::Missing);
        assert!(message.contains("train-labels-idx1-ubyte"), "{message}");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, header in 0usize..3) {
            let folder = folder(&[0, 1, 2, 1]);
            let head = [idx(IMAGES, &[], &[]), idx(IMAGES, &[1, 2], &[]), Vec::new()];
            write(&folder, "train-images-idx3-ubyte", &[head[header].clone(), bytes].concat());
            let _ = load(folder.path(), &LoadOptions::default());
        }
    }
}
