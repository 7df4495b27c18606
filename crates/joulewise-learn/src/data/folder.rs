//! A folder of PNG and JPEG files per class.

use std::fs;
use std::path::{Path, PathBuf};

use super::picture::{Encoded, Pictures, align_channels};
use super::{DataError, DataErrorKind, Dataset, Images, entries};

/// The image files of one class.
struct Class {
    name: String,
    files: Vec<PathBuf>,
}

/// Loads `root/<class>/*.png` (or `.jpg`, `.jpeg`), or the same below `root/train` and, if it is there,
/// `root/test`. `None` when no folder holds such files.
pub(super) fn load(root: &Path, name: String, skip_bad: bool) -> Result<Option<Dataset>, DataError> {
    let (folders, _) = entries(root)?;
    let split = |names: &[&str]| {
        folders.iter().find(|folder| {
            names.iter().any(|name| folder.file_name().is_some_and(|it| it.eq_ignore_ascii_case(name)))
        })
    };
    let train_root = split(&["train"]).map_or(root, PathBuf::as_path);
    let train = classes(train_root)?;
    if train.is_empty() {
        return Ok(None);
    }
    let names: Vec<String> = train.iter().map(|class| class.name.clone()).collect();
    let (mut images, mut skipped) = read(&train, &names, train_root, skip_bad)?;
    let test_root = split(&["test", "val", "validation"]).filter(|_| train_root != root);
    let mut test = None;
    if let Some(test_root) = test_root {
        let (mut held_out, bad) = read(&classes(test_root)?, &names, test_root, skip_bad)?;
        align_channels(&mut images, &mut held_out);
        skipped.extend(bad);
        test = Some(held_out).filter(|images| !images.is_empty());
    }
    Ok(Some(Dataset { name, classes: names, train: images, test, skipped }))
}

/// The folders inside `root` that hold image files, sorted by name.
fn classes(root: &Path) -> Result<Vec<Class>, DataError> {
    let mut classes = Vec::new();
    for folder in entries(root)?.0 {
        let mut files = entries(&folder)?.1;
        files.retain(|file| {
            let extension = file.extension().unwrap_or_default();
            ["png", "jpg", "jpeg"].iter().any(|known| extension.eq_ignore_ascii_case(known))
        });
        if !files.is_empty() {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            classes.push(Class { name, files });
        }
    }
    Ok(classes)
}

fn read(
    classes: &[Class],
    names: &[String],
    root: &Path,
    skip_bad: bool,
) -> Result<(Images, Vec<String>), DataError> {
    let mut files = Vec::new();
    for class in classes {
        let Some(label) = names.iter().position(|name| *name == class.name) else {
            return Err(DataError::of(
                DataErrorKind::Labels,
                &root.join(&class.name),
                "there is no such class among the training images",
                "remove the folder or add training images of that class",
            ));
        };
        let Ok(label) = u16::try_from(label) else {
            return Err(DataError::of(
                DataErrorKind::Labels,
                root,
                format!("{} classes are too many", names.len()),
                "give at most 65536",
            ));
        };
        files.extend(class.files.iter().map(|path| Encoded {
            name: path.display().to_string(),
            bytes: path.clone(),
            label,
        }));
    }
    let mut pictures = Pictures::new(skip_bad);
    pictures.extend(&files, |path| fs::read(path).map_err(|error| error.to_string()))?;
    Ok(pictures.finish())
}

#[cfg(test)]
mod tests {
    use image::ImageFormat::{Jpeg, Png};
    use tempfile::TempDir;

    use super::super::picture::tests::{colour, grey};
    use super::*;
    use crate::data::{LoadOptions, load};

    fn folder(files: &[(&str, Vec<u8>)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    fn failure(folder: &TempDir) -> (DataErrorKind, String) {
        let error = load(folder.path(), &LoadOptions::default()).unwrap_err();
        (error.kind(), format!("{error}\n{}", error.cure()))
    }

    #[test]
    fn classes_are_the_folders() {
        let folder = folder(&[
            ("dog/1.png", colour(8, Png)),
            ("cat/2.JPG", colour(8, Jpeg)),
            ("cat/1.png", colour(8, Png)),
            ("cat/notes.txt", b"hello".to_vec()),
        ]);
        let dataset = load(folder.path(), &LoadOptions::default()).unwrap();
        assert_eq!(dataset.classes, ["cat", "dog"]);
        assert_eq!((&**dataset.train.labels, dataset.train.shape), (&[0, 0, 1][..], [3, 8, 8]));
        assert_eq!(dataset.test, None);
    }

    #[test]
    fn train_and_test_are_told_apart() {
        let folder = folder(&[
            ("train/a/1.png", grey(8, Png)),
            ("train/b/1.png", grey(8, Png)),
            ("test/b/1.png", colour(8, Png)),
        ]);
        let dataset = load(folder.path(), &LoadOptions::default()).unwrap();
        assert_eq!((dataset.train.len(), dataset.train.shape), (2, [3, 8, 8]));
        assert_eq!(*dataset.test.unwrap().labels, [1]);
    }

    #[test]
    fn test_images_of_another_class_or_size_are_errors() {
        let train = [("train/a/1.png", grey(8, Png)), ("train/b/1.png", grey(8, Png))];
        let (kind, message) = failure(&folder(&[&train[..], &[("test/c/1.png", grey(8, Png))]].concat()));
        assert_eq!(kind, DataErrorKind::Labels);
        assert!(message.contains("test/c: there is no such class"), "{message}");
        let (kind, message) = failure(&folder(&[&train[..], &[("test/b/1.png", grey(9, Png))]].concat()));
        assert_eq!(kind, DataErrorKind::UnequalSizes);
        assert!(message.contains("training images are 8×8×1, test images 9×9×1"), "{message}");
    }

    #[test]
    fn one_class_only_is_an_error() {
        assert_eq!(failure(&folder(&[("a/1.png", grey(8, Png))])).0, DataErrorKind::Labels);
    }

    #[test]
    fn a_corrupt_jpeg_is_named_and_skipped_only_on_demand() {
        let mut jpeg = colour(32, Jpeg);
        jpeg.truncate(jpeg.len() / 2);
        let folder = folder(&[
            ("a/1.jpg", colour(32, Jpeg)),
            ("a/2.jpg", jpeg),
            ("a/3.jpg", colour(32, Jpeg)),
            ("b/1.jpg", colour(32, Jpeg)),
        ]);
        let (kind, message) = failure(&folder);
        assert_eq!(kind, DataErrorKind::BadImage);
        assert!(
            message.contains("a/2.jpg: cannot be decoded") && message.contains("--skip-bad"),
            "{message}"
        );
        let dataset = load(folder.path(), &LoadOptions { skip_bad: true }).unwrap();
        assert_eq!(*dataset.train.labels, [0, 0, 1]);
        assert!(dataset.skipped[0].contains("a/2.jpg"), "{:?}", dataset.skipped);
    }

    #[test]
    fn a_folder_of_which_everything_is_skipped_says_so() {
        let folder = folder(&[("a/1.png", b"no picture".to_vec()), ("b/1.png", b"nor this".to_vec())]);
        let error = load(folder.path(), &LoadOptions { skip_bad: true }).unwrap_err();
        assert_eq!(error.kind(), DataErrorKind::Empty);
        let message = error.to_string();
        assert!(message.contains("2 cannot be decoded and were skipped, the first of them"), "{message}");
        assert!(message.contains("a/1.png"), "{message}");
    }
}
