//! Bad input ends `joulewise improve` in one clear error and exit code 2, and leaves no run behind.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use image::{DynamicImage, ImageFormat, RgbImage};
use parquet::data_type::Int64Type;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::Value;

/// Runs it where there is no energy counter, with runs in `folder/out`.
fn improve(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_joulewise"))
        .args(["improve", "--out", "out", "--threads", "1"])
        .args(arguments.split_whitespace())
        .env("JOULEWISE_SYSFS", "/nonexistent")
        .env("CUDA_VISIBLE_DEVICES", "")
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Asserts that it is refused in one error with these `parts`, and that there is no run.
fn refused(folder: &Path, arguments: &str, parts: &[&str]) {
    let ended = improve(folder, arguments);
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{arguments}: {stderr}");
    assert!(ended.stdout.is_empty(), "{arguments}");
    let errors: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{arguments}: {stderr}");
    for part in parts {
        assert_eq!(stderr.matches(part).count(), 1, "{arguments}: {part:?} once in {stderr}");
    }
    let left = fs::read_dir(folder.join("out")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "{arguments}: a run is left behind");
}

fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn idx(dims: &[u32], content: &[u8]) -> Vec<u8> {
    let magic = [0, 0, 8, dims.len() as u8];
    magic.into_iter().chain(dims.iter().flat_map(|dim| dim.to_be_bytes())).chain(content.to_vec()).collect()
}

/// A gzip file of `content` without compression.
fn gzip(content: &[u8]) -> Vec<u8> {
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    let len = content.len() as u16;
    file.extend(len.to_le_bytes().into_iter().chain((!len).to_le_bytes()));
    file.extend_from_slice(content);
    file
}

/// A picture of 16 × 16 pixels, unlike the others.
fn picture(seed: u32, format: ImageFormat) -> Vec<u8> {
    let pixels = (0..3 * 16 * 16).map(|i: u32| (i.wrapping_mul(seed * 2 + 1) >> 2) as u8).collect();
    let mut file = Cursor::new(Vec::new());
    let picture = DynamicImage::from(RgbImage::from_raw(16, 16, pixels).unwrap());
    picture.write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// A folder with 60 pictures in each of two classes.
fn pictures() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (class, first) in [("cat", 0), ("dog", 60)] {
        let class = folder.path().join("pictures").join(class);
        fs::create_dir_all(&class).unwrap();
        for seed in first..first + 60 {
            fs::write(class.join(format!("{seed:03}.png")), picture(seed, ImageFormat::Png)).unwrap();
        }
    }
    folder
}

#[test]
fn a_folder_that_is_missing_or_holds_nothing_known() {
    let folder = folder(&[("notes/readme.txt", b"hello".to_vec())]);
    refused(folder.path(), "--data no/such", &["no/such: no such file or folder\nhint: check the path\n"]);
    refused(
        folder.path(),
        "--data notes",
        &["/notes: no known format of images is here\nhint: give IDX files"],
    );
}

#[test]
fn idx_files_that_end_early_or_disagree() {
    let images = idx(&[4, 2, 2], &[7; 16]);
    let mut truncated = gzip(&images);
    truncated.truncate(truncated.len() - 9);
    let labels = ("train-labels-idx1-ubyte", idx(&[4], &[0, 1, 0, 1]));
    let cases: [(&str, Vec<u8>, Vec<u8>, &str); 5] = [
        (
            "train-images-idx3-ubyte.gz",
            truncated,
            labels.1.clone(),
            "train-images-idx3-ubyte.gz: the file ends before its content does\nhint: download or copy it again\n",
        ),
        (
            "train-images-idx3-ubyte",
            idx(&[4, 2, 2], &[7; 12]),
            labels.1.clone(),
            "train-images-idx3-ubyte: its header promises 16 bytes of content, it holds 12\nhint: download",
        ),
        (
            "train-images-idx3-ubyte",
            images.clone(),
            idx(&[5], &[0, 1, 0, 1, 0]),
            "train-labels-idx1-ubyte: more labels than images: 5 labels, 4 images in",
        ),
        (
            "train-images-idx3-ubyte",
            images.clone(),
            Vec::new(),
            "train-labels-idx1-ubyte: the file is empty\nhint: download or copy it again",
        ),
        (
            "train-images-idx3-ubyte",
            images,
            idx(&[4], &[3; 4]),
            "data: all 4 training images are of one class\nhint: give images of at least two classes",
        ),
    ];
    for (name, images, labels_of_them, expected) in cases {
        let folder =
            folder(&[(&format!("data/{name}"), images), (&format!("data/{}", labels.0), labels_of_them)]);
        refused(folder.path(), "--data data", &[expected]);
    }
}

#[test]
fn a_parquet_file_with_other_columns() {
    let schema =
        parse_message_type("message schema { required int64 price; required int64 label; }").unwrap();
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), properties).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    while let Some(mut column) = rows.next_column().unwrap() {
        column.typed::<Int64Type>().write_batch(&[1, 2], None, None).unwrap();
        column.close().unwrap();
    }
    rows.close().unwrap();
    let folder = folder(&[("data/train-0.parquet", writer.into_inner().unwrap())]);
    let expected = "train-0.parquet: its columns are price, label; expected image.bytes";
    refused(folder.path(), "--data data", &[expected]);
}

#[test]
fn a_corrupt_picture_is_named_and_left_out_only_on_demand() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        let folder = pictures();
        let extension = format.extensions_str()[0];
        let mut corrupt = picture(3, format);
        corrupt.truncate(corrupt.len() / 2);
        let name = format!("cat/030-corrupt.{extension}");
        fs::write(folder.path().join("pictures").join(&name), corrupt).unwrap();
        let arguments = "--data pictures --model mlp --epochs 1 --practices quantise --set train.batch=16";
        refused(folder.path(), arguments, &[&format!("pictures/{name}: cannot be decoded"), "--skip-bad"]);

        let ended = improve(folder.path(), &format!("{arguments} --skip-bad --json"));
        assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
        let result: Value = serde_json::from_slice(&ended.stdout).unwrap();
        let caveats = result["caveats"].as_array().unwrap();
        let skipped = caveats.iter().find(|caveat| caveat["code"] == "skipped-pictures").unwrap();
        let text = skipped["text"].as_str().unwrap();
        assert!(text.starts_with("1 picture ") && text.contains(&name), "{text}");
    }
}

#[test]
fn pictures_of_one_class() {
    let folder = folder(&[("data/cat/1.png", picture(1, ImageFormat::Png))]);
    refused(folder.path(), "--data data", &["data: all 1 training images are of one class"]);
}

#[test]
fn too_few_images_for_a_batch() {
    let folder = pictures();
    let expected = ["fewer than one batch of 500", "hint: give more images or a smaller batch"];
    refused(folder.path(), "--data pictures --set train.batch=500", &expected);
}

#[test]
fn recipes_that_say_nothing_or_no_toml() {
    let folder = folder(&[
        ("empty.toml", Vec::new()),
        ("comment.toml", b"# later\n".to_vec()),
        ("broken.toml", b"[train]\nlr = \n".to_vec()),
        ("binary.toml", vec![0xff, 0xfe, 0]),
    ]);
    refused(folder.path(), "empty.toml", &["empty.toml: the recipe is empty", "hint: "]);
    refused(folder.path(), "comment.toml", &["comment.toml: the recipe is empty"]);
    refused(folder.path(), "broken.toml", &["broken.toml line 2: "]);
    refused(folder.path(), "binary.toml", &["cannot read the recipe binary.toml: "]);
}

#[test]
fn a_baseline_that_diverges_names_step_and_learning_rate() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = "--model mlp --epochs 1 --set data.train=600 --set data.test=50 --set train.lr=1e30";
    let expected = ["the baseline cannot be trained: the loss became ", " at step ", " with learning rate "];
    refused(folder.path(), arguments, &expected);
}

#[test]
fn a_cost_table_or_a_run_that_is_none() {
    let folder = folder(&[("costs.json", b"{}".to_vec())]);
    let glyphs = "--set data.train=600 --set data.test=50";
    refused(folder.path(), &format!("{glyphs} --costs costs.json"), &["costs.json is not a costs.json: "]);
    refused(
        folder.path(),
        &format!("{glyphs} --costs none.json"),
        &["cannot read the cost table none.json: "],
    );
    refused(folder.path(), "--resume @last", &["no run in out"]);
}

#[test]
fn a_folder_of_runs_that_cannot_be_made() {
    let folder = folder(&[("out", b"a file".to_vec())]);
    let ended = improve(folder.path(), "--epochs 1 --set data.train=600 --set data.test=50");
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("error: cannot make out: ") && stderr.contains("choose another folder with --out")
    );
    assert_eq!(fs::read(folder.path().join("out")).unwrap(), b"a file");
}

#[test]
fn an_unknown_instruction_set_is_refused_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in ["improve --out out", "bench mlp --seconds 1"] {
        let ended = Command::new(env!("CARGO_BIN_EXE_joulewise"))
            .args(arguments.split_whitespace())
            .env("JOULEWISE_ISA", "sse9")
            .current_dir(folder.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{arguments}: {stderr}");
        let expected =
            "error: JOULEWISE_ISA=sse9: no instruction set of that name\nhint: use one of portable";
        assert!(stderr.contains(expected), "{arguments}: {stderr}");
        assert!(!folder.path().join("out").exists(), "{arguments}");
    }
}
