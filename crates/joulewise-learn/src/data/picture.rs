//! PNG and JPEG files become images of one data set.

use std::io::Cursor;

use image::{ImageFormat, ImageReader, Limits};
use rayon::prelude::*;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{DataError, DataErrorKind, Images, extent};

/// The largest height and width: training images are small, and a header must not reserve gigabytes.
const LARGEST_SIDE: u32 = 4096;
/// Pictures decoded at a time, so that no more than these are in memory twice.
const BATCH: usize = 512;

/// A decoded file.
struct Picture {
    shape: [usize; 3],
    pixels: Vec<u8>,
}

/// A file to decode.
pub(super) struct Encoded<B> {
    /// What messages call it.
    pub(super) name: String,
    /// Its content; fails with the reason why there is none.
    pub(super) bytes: B,
    /// Its class.
    pub(super) label: u16,
}

/// The pictures of one split, as they come in.
pub(super) struct Pictures {
    skip_bad: bool,
    shape: [usize; 3],
    /// The picture that gave the shape.
    first: Option<String>,
    pixels: Vec<u8>,
    labels: Vec<u16>,
    skipped: Vec<String>,
}

impl Pictures {
    /// None so far. With `skip_bad`, those that cannot be decoded are left out.
    pub(super) fn new(skip_bad: bool) -> Self {
        let (pixels, labels, skipped) = (Vec::new(), Vec::new(), Vec::new());
        Self { skip_bad, shape: [1, 0, 0], first: None, pixels, labels, skipped }
    }

    /// Decodes `files` in parallel and appends them in their order.
    pub(super) fn extend<B, F>(&mut self, files: &[Encoded<B>], content: F) -> Result<(), DataError>
    where
        B: Sync,
        F: Fn(&B) -> Result<Vec<u8>, String> + Sync,
    {
        for batch in files.chunks(BATCH) {
            let decoded: Vec<Result<Picture, String>> =
                batch.par_iter().map(|file| decode(&content(&file.bytes)?)).collect();
            for (file, picture) in batch.iter().zip(decoded) {
                self.push(file, picture)?;
            }
        }
        Ok(())
    }

    /// The images, and what was left out.
    pub(super) fn finish(self) -> (Images, Vec<String>) {
        (Images::new(self.shape, self.pixels, self.labels), self.skipped)
    }

    fn push<B>(&mut self, file: &Encoded<B>, picture: Result<Picture, String>) -> Result<(), DataError> {
        let mut picture = match picture {
            Ok(picture) => picture,
            Err(reason) if self.skip_bad => {
                self.skipped.push(format!("{}: {reason}", file.name));
                return Ok(());
            }
            Err(reason) => {
                let cure = "repair or remove it, or leave such images out with --skip-bad";
                return Err(DataError::new(
                    DataErrorKind::BadImage,
                    format!("{}: cannot be decoded: {reason}", file.name),
                    cure,
                ));
            }
        };
        let first = self.first.get_or_insert_with(|| {
            self.shape = picture.shape;
            file.name.clone()
        });
        if picture.shape[1..] != self.shape[1..] {
            let cure = "bring all images to one size";
            return Err(DataError::new(
                DataErrorKind::UnequalSizes,
                format!("{} is {}, but {first} is {}", file.name, extent(picture.shape), extent(self.shape)),
                cure,
            ));
        }
        // A data set is grey only when all of its pictures are.
        if picture.shape[0] > self.shape[0] {
            self.shape[0] = 3;
            self.pixels = coloured(&self.pixels);
        } else if picture.shape[0] < self.shape[0] {
            picture.pixels = coloured(&picture.pixels);
        }
        self.pixels.extend_from_slice(&picture.pixels);
        self.labels.push(file.label);
        Ok(())
    }
}

/// Gives two splits the same number of channels: where one is in colour, both are.
pub(super) fn align_channels(a: &mut Images, b: &mut Images) {
    let channels = a.shape[0].max(b.shape[0]);
    for images in [a, b] {
        if images.shape[0] < channels {
            let [_, height, width] = images.shape;
            *images =
                Images::new([channels, height, width], coloured(&images.pixels), images.labels.to_vec());
        }
    }
}

fn coloured(grey: &[u8]) -> Vec<u8> {
    grey.iter().flat_map(|&level| [level; 3]).collect()
}

/// The picture in a PNG or JPEG file; transparency is dropped, 16 bits become 8.
fn decode(bytes: &[u8]) -> Result<Picture, String> {
    match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => decode_jpeg(bytes),
        Ok(ImageFormat::Png) => decode_png(bytes),
        _ if bytes.is_empty() => Err("it is empty".to_owned()),
        _ => Err("it is neither PNG nor JPEG".to_owned()),
    }
}

fn decode_png(bytes: &[u8]) -> Result<Picture, String> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(LARGEST_SIDE), Some(LARGEST_SIDE));
    reader.limits(limits);
    let picture = reader.decode().map_err(|error| error.to_string())?;
    let (height, width) = (picture.height() as usize, picture.width() as usize);
    Ok(if picture.color().has_color() {
        Picture { shape: [3, height, width], pixels: picture.into_rgb8().into_raw() }
    } else {
        Picture { shape: [1, height, width], pixels: picture.into_luma8().into_raw() }
    })
}

/// Strictly: a lenient decoder fills what is missing or corrupt with grey and says nothing.
fn decode_jpeg(bytes: &[u8]) -> Result<Picture, String> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(LARGEST_SIDE as usize)
        .set_max_height(LARGEST_SIDE as usize);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| error.to_string())?;
    if !bytes.windows(2).rev().any(|marker| marker == [0xff, 0xd9]) {
        return Err("it is cut short: the end-of-image marker is missing".to_owned());
    }
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let (channels, space) = if grey { (1, ColorSpace::Luma) } else { (3, ColorSpace::RGB) };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let pixels = decoder.decode().map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions().ok_or("it has no size")?;
    if pixels.len() != channels * height * width {
        return Err(format!("{} bytes for {height}×{width} pixels", pixels.len()));
    }
    Ok(Picture { shape: [channels, height, width], pixels })
}

#[cfg(test)]
pub(super) mod tests {
    use image::{DynamicImage, GrayImage, RgbImage};

    use super::*;

    /// A colour picture in an encoding.
    pub(in crate::data) fn colour(side: u32, format: ImageFormat) -> Vec<u8> {
        let picture = RgbImage::from_fn(side, side, |x, y| [(x * 9) as u8, (y * 9) as u8, 200].into());
        encoded(&picture.into(), format)
    }

    /// A grey picture in an encoding.
    pub(in crate::data) fn grey(side: u32, format: ImageFormat) -> Vec<u8> {
        encoded(&GrayImage::from_fn(side, side, |x, y| [(x * y) as u8].into()).into(), format)
    }

    fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn collected(files: &[Vec<u8>], skip_bad: bool) -> Result<(Images, Vec<String>), DataError> {
        let mut pictures = Pictures::new(skip_bad);
        let files: Vec<Encoded<Vec<u8>>> = files
            .iter()
            .enumerate()
            .map(|(i, bytes)| Encoded { name: format!("file {i}"), bytes: bytes.clone(), label: i as u16 })
            .collect();
        pictures.extend(&files, |bytes| Ok(bytes.clone()))?;
        Ok(pictures.finish())
    }

    #[test]
    fn png_and_jpeg_are_decoded() {
        let (images, _) =
            collected(&[colour(16, ImageFormat::Png), colour(16, ImageFormat::Jpeg)], false).unwrap();
        assert_eq!((images.shape, images.len()), ([3, 16, 16], 2));
        assert_eq!(images.pixels_of(0)[(2 * 16 + 3) * 3..][..3], [27, 18, 200]);
        let farthest = images.pixels_of(0).iter().zip(images.pixels_of(1)).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(farthest < Some(40), "{farthest:?}");
    }

    #[test]
    fn grey_pictures_among_coloured_ones_get_three_channels() {
        let (grey, colour) = (grey(8, ImageFormat::Png), colour(8, ImageFormat::Png));
        let (images, _) = collected(&[grey.clone(), colour, grey.clone()], false).unwrap();
        assert_eq!(images.shape, [3, 8, 8]);
        assert_eq!(images.pixels_of(0), images.pixels_of(2));
        assert_eq!(images.pixels_of(0)[(7 * 8 + 7) * 3..], [49; 3]);
        assert_eq!(collected(&[grey], false).unwrap().0.shape, [1, 8, 8]);
    }

    #[test]
    fn unequal_sizes_name_both_files() {
        let files = [colour(8, ImageFormat::Png), colour(8, ImageFormat::Png), colour(9, ImageFormat::Png)];
        let error = collected(&files, true).unwrap_err();
        assert_eq!(error.kind(), DataErrorKind::UnequalSizes);
        assert!(error.to_string().contains("file 2 is 9×9×3, but file 0 is 8×8×3"), "{error}");
    }

    #[test]
    fn bad_pictures_are_named_or_skipped() {
        let whole = colour(32, ImageFormat::Jpeg);
        let cut = whole[..whole.len() * 2 / 3].to_vec();
        let mut scrambled = whole.clone();
        let middle = whole.len() * 3 / 4;
        scrambled[middle..middle + 40].fill(0xff);
        for bad in [cut, scrambled, b"GIF89a".to_vec(), Vec::new(), whole[..2].to_vec()] {
            let files = [whole.clone(), bad, whole.clone()];
            let error = collected(&files, false).unwrap_err();
            assert_eq!(error.kind(), DataErrorKind::BadImage);
            assert!(error.to_string().starts_with("file 1: cannot be decoded"), "{error}");
            let (images, skipped) = collected(&files, true).unwrap();
            assert_eq!(*images.labels, [0, 2]);
            assert!(skipped[0].starts_with("file 1: ") && skipped.len() == 1, "{skipped:?}");
        }
    }

    #[test]
    fn a_header_cannot_reserve_gigabytes() {
        let mut png = colour(4, ImageFormat::Png);
        png[16..20].copy_from_slice(&1_000_000_u32.to_be_bytes());
        assert!(decode(&png).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_change_of_a_picture_panics(
            jpeg: bool, place in 0usize..600, bytes in proptest::collection::vec(0u8.., 1..8),
        ) {
            let mut file = colour(16, if jpeg { ImageFormat::Jpeg } else { ImageFormat::Png });
            let place = place.min(file.len() - bytes.len());
            file[place..place + bytes.len()].copy_from_slice(&bytes);
            let _ = decode(&file);
        }
    }
}
