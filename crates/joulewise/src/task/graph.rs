//! A task on our own engine: a network and labelled pictures.

use std::path::Path;

use anyhow::Context as _;
use joulewise_learn::data::{self, Augment, Dataset, Images, LoadOptions, Normalise, stratified_subset};
use joulewise_learn::engine::{Cpu, Engine};
use joulewise_learn::train::fit::argmax;
use joulewise_learn::train::{Examples, Hyperparameters, Pictures, Split};
use joulewise_learn::{Architecture, GraphError, Model, onnx, shape};
use joulewise_meter::Caveat;

use crate::costs::Costs;
use crate::hint::Hint as _;
use crate::practice::Setback;
use crate::recipe::{self, Recipe};
use crate::result::Imported;

/// Images that a plan takes at a time when it only has to be evaluated.
const EVALUATION_BATCH: usize = 256;

/// Pictures that a caveat names at the most.
const MOST_NAMED: usize = 20;

/// A network to be trained on pictures.
#[derive(Debug)]
pub struct GraphTask {
    /// The data, with its splits below.
    pub data: Dataset,
    /// Which training pictures are learned from, selected with and judged by.
    pub splits: data::Split,
    /// Mean and deviation of the training pictures.
    pub normalise: Normalise,
    /// What every network of this task is made from.
    pub architecture: Architecture,
    /// The baseline's width, relative to the architecture's.
    pub width: f32,
    /// The baseline's hyperparameters.
    pub hyper: Hyperparameters,
    /// A network trained elsewhere that `transfer` starts from.
    pub trunk: Option<(Model, Imported)>,
    /// The engine.
    pub cpu: Cpu,
}

impl GraphTask {
    /// Loads or draws the data of `recipe` and divides it.
    pub fn load(recipe: &Recipe) -> anyhow::Result<Self> {
        let cpu = Cpu::new(recipe.train.threads)?;
        let mut data = match &recipe.data.path {
            Some(path) => data::load(path, &LoadOptions { skip_bad: recipe.data.skip_bad })?,
            None => data::glyphs(
                recipe.data.train.unwrap_or(GLYPHS),
                recipe.data.test.unwrap_or(GLYPHS / 4),
                recipe.search.seed,
            ),
        };
        let architecture = architecture(&recipe.model)?;
        let trunk = match recipe.transfer.imported() {
            Some(imported) => Some((trunk(&imported.file, data.train.shape)?, imported)),
            None => None,
        };
        let (seed, labels) = (recipe.search.seed, &data.train.labels);
        let used = at_most(recipe.data.train, &data.train, seed);
        if let Some(test) = &mut data.test
            && recipe.data.test.is_some_and(|most| most < test.len())
        {
            *test = test.subset(&at_most(recipe.data.test, test, seed));
        }
        let (select, judge) = held_out(&recipe.data, used.len());
        let splits =
            data::Split::stratified_of(&used, labels, data.classes.len(), select, judge, recipe.search.seed)
                .with_context(|| format!("cannot divide the data set `{}`", data.name))?;
        if splits.train.len() < recipe.train.batch {
            return Err(anyhow::anyhow!(
                "{} training images are left after {select} to select and {judge} to judge with, fewer than one batch \
                 of {}",
                splits.train.len(),
                recipe.train.batch
            ))
            .hint("give more images or a smaller batch, as in --set train.batch=16");
        }
        let normalise = Normalise::of(&data.train, &splits.train);
        let task = Self {
            splits,
            normalise,
            architecture,
            width: recipe.model.width as f32,
            hyper: recipe.train.hyperparameters(recipe.search.seed),
            trunk,
            cpu,
            data,
        };
        task.network(1.0, 0).with_context(|| {
            format!("`{}` does not fit pictures of {:?}", recipe.model.name, task.input())
        })?;
        Ok(task)
    }

    /// The task of `recipe`, which is of the same data: another network, or other hyperparameters.
    pub(crate) fn revised(mut self, recipe: &Recipe) -> anyhow::Result<Self> {
        self.architecture = architecture(&recipe.model)?;
        self.width = recipe.model.width as f32;
        self.hyper = recipe.train.hyperparameters(recipe.search.seed);
        Ok(self)
    }

    /// What a reader of its results must know: pictures that were left out.
    pub fn caveats(&self) -> Vec<Caveat> {
        let skipped = &self.data.skipped;
        let text = match skipped.len() {
            0 => return Vec::new(),
            1 => "1 picture could not be decoded and was left out".to_owned(),
            n => format!("{n} pictures could not be decoded and were left out"),
        };
        let (named, others) = skipped.split_at(skipped.len().min(MOST_NAMED));
        let more = if others.is_empty() { String::new() } else { format!("; and {} more", others.len()) };
        let text = format!("{text}: {}{more}", named.join("; "));
        vec![Caveat::new("skipped-pictures", text, "repair or remove them")]
    }

    /// `[channels, height, width]` of a picture.
    pub fn input(&self) -> [usize; 3] {
        self.data.train.shape
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.data.classes.len()
    }

    /// A fresh network at `width` times the baseline's.
    pub fn network(&self, width: f32, seed: u64) -> Result<Model, GraphError> {
        self.architecture.instance(self.input(), self.classes(), self.width * width, seed)
    }

    /// The training pictures, augmented as `hyper` says.
    pub fn pictures(&self, hyper: &Hyperparameters) -> Pictures<'_> {
        let augment =
            (hyper.crop > 0 || hyper.flip).then_some(Augment { crop_padding: hyper.crop, flip: hyper.flip });
        Pictures { images: &self.data.train, normalise: &self.normalise, augment }
    }

    /// The examples to learn from and to watch.
    pub fn split(&self) -> Split<'_> {
        Split { train: &self.splits.train, select: &self.splits.select }
    }

    /// One epoch of `model` on `examples` examples, in epochs of the baseline.
    pub fn cost_in_epochs(&self, costs: &Costs, model: &Model, examples: usize) -> Result<f64, GraphError> {
        let baseline = self.network(1.0, 0)?;
        let one = costs.training_s(&baseline, self.splits.train.len() as f64)?;
        Ok(costs.training_s(model, examples as f64)? / one)
    }

    /// Outputs of `model` for the pictures `indices` of `images`, one row for each.
    pub fn outputs(&self, model: &Model, images: &Images, indices: &[u32]) -> Result<Vec<f32>, GraphError> {
        let mut plan = self.cpu.compile(model, EVALUATION_BATCH.min(indices.len().max(1)))?;
        let mut outputs = vec![0.0; indices.len() * plan.outputs()];
        let width = plan.outputs();
        let mut planes = Vec::new();
        for (batch, into) in
            indices.chunks(EVALUATION_BATCH).zip(outputs.chunks_mut(EVALUATION_BATCH * width))
        {
            planes.clear();
            for &index in batch {
                planes_of(&self.normalise, images, index, &mut planes);
            }
            plan.run(&planes, into);
        }
        Ok(outputs)
    }

    /// Whether `model` is right about each of the pictures `indices` of `images`.
    pub fn right(&self, model: &Model, images: &Images, indices: &[u32]) -> Result<Vec<bool>, Setback> {
        let outputs = self.outputs(model, images, indices)?;
        let width = outputs.len() / indices.len().max(1);
        let labels = indices.iter().map(|&i| usize::from(images.labels[i as usize]));
        Ok(outputs.chunks(width.max(1)).zip(labels).map(|(row, label)| argmax(row) == label).collect())
    }

    /// Accuracy of `model` on the select split.
    pub fn select(&self, model: &Model) -> Result<f64, Setback> {
        Ok(share(&self.right(model, &self.data.train, &self.splits.select)?))
    }

    /// Labels of the pictures `indices` of the training set.
    pub fn labels(&self, indices: &[u32]) -> Vec<u16> {
        let pictures = self.pictures(&self.hyper);
        indices.iter().map(|&i| pictures.label(i)).collect()
    }
}

/// The architecture of that name, or that of the file.
fn architecture(model: &recipe::Model) -> anyhow::Result<Architecture> {
    let Some(file) = model.file() else { return Ok(Architecture::Named(model.name.clone())) };
    let of = || format!("cannot take the architecture of {}", file.display());
    Architecture::given(onnx::load(file).with_context(of)?).with_context(of)
}

/// The network of `file`, if its features can be computed for pictures of `input`.
fn trunk(file: &Path, input: [usize; 3]) -> anyhow::Result<Model> {
    let of = || format!("cannot transfer from {}", file.display());
    let mut model = onnx::load(file).with_context(of)?;
    model.graph.input_shape = input.to_vec();
    Architecture::given(model.clone()).with_context(of)?;
    shape::infer(&model.graph, &model.weights)
        .with_context(|| format!("{}, which does not fit pictures of {input:?}", of()))
        .hint("give a trunk for pictures of this size, or one that pools them to one number per channel")?;
    Ok(model)
}

/// Numbers of the images that are used: at most `most`, in the proportions of their classes.
fn at_most(most: Option<usize>, images: &Images, seed: u64) -> Vec<u32> {
    let all: Vec<u32> = (0..images.len() as u32).collect();
    match most {
        Some(most) if most < all.len() => stratified_subset(&all, &images.labels, most, seed),
        _ => all,
    }
}

/// Share of `true`.
pub fn share(right: &[bool]) -> f64 {
    right.iter().filter(|&&r| r).count() as f64 / right.len().max(1) as f64
}

/// Glyphs that are drawn when the recipe does not say.
const GLYPHS: usize = 16_000;

/// How many of `n` training images are kept to select and to judge with: enough to tell a loss of a
/// percent, but never most of them, unless the recipe says.
fn held_out(data: &recipe::Data, n: usize) -> (usize, usize) {
    let select = || (n / 20).max(2_000).min(n / 8);
    let judge = || (n / 10).max(4_000).min(n / 4);
    (data.select.unwrap_or_else(select), data.judge.unwrap_or_else(judge))
}

/// Appends picture `index` of `images`, normalised, as `[c, h, w]`.
pub fn planes_of(normalise: &Normalise, images: &Images, index: u32, planes: &mut Vec<f32>) {
    let channels = images.shape[0];
    let pixels = images.pixels_of(index as usize);
    for channel in 0..channels {
        let (scale, shift) = normalise.scale_shift(channel);
        planes.extend(pixels[channel..].iter().step_by(channels).map(|&p| f32::from(p) * scale + shift));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::recipe::Override;

    /// An IDX file of bytes.
    fn idx(dims: &[u32], content: impl Iterator<Item = u8>) -> Vec<u8> {
        let magic = [0, 0, 8, dims.len() as u8].into_iter();
        magic.chain(dims.iter().flat_map(|dim| dim.to_be_bytes())).chain(content).collect()
    }

    #[test]
    fn at_most_so_many_pictures_of_a_file_are_tested_in_the_proportions_of_the_classes() {
        let folder = tempfile::tempdir().unwrap();
        for (split, count) in [("train", 200_u32), ("t10k", 90)] {
            let write = |name: String, file| fs::write(folder.path().join(name), file).unwrap();
            let pixels = (0..16 * count).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
            write(format!("{split}-images-idx3-ubyte"), idx(&[count, 4, 4], pixels));
            // Two of three are of the first class.
            let labels = (0..count).map(|i| u8::from(i % 3 == 0));
            write(format!("{split}-labels-idx1-ubyte"), idx(&[count], labels));
        }
        let tested = |most: &str| {
            let path = format!("data.path={}", folder.path().display());
            let sets = [path.as_str(), "model.name=mlp", "train.batch=8", "train.threads=1", most];
            let sets = sets.map(|set| Override::parse(set).unwrap());
            GraphTask::load(&Recipe::load(None, sets).unwrap()).unwrap().data.test.unwrap()
        };
        let some = tested("data.test=30");
        assert_eq!((some.len(), some.labels.iter().filter(|&&label| label == 0).count()), (30, 20));
        assert_eq!(tested("data.test=500").len(), 90);
    }

    #[test]
    fn as_many_pictures_are_held_out_as_the_recipe_says() {
        let split = |held_out: &[&str]| {
            let sets = [&["data.train=800", "data.test=10", "train.threads=1"], held_out].concat();
            let sets = sets.into_iter().map(|set| Override::parse(set).unwrap());
            let splits = GraphTask::load(&Recipe::load(None, sets).unwrap()).unwrap().splits;
            [splits.train.len(), splits.select.len(), splits.judge.len()]
        };
        assert_eq!(split(&[]), [500, 100, 200]);
        assert_eq!(split(&["data.select=300"]), [300, 300, 200]);
        assert_eq!(split(&["data.select=300", "data.judge=50"]), [450, 300, 50]);
    }
}
