//! Pooling of one image, and its gradients; vectors run over the channels.
#![allow(unsafe_code)]

use crate::image::Image;
use crate::isa::Isa;
use crate::simd::{Simd, for_each_isa};
use std::ops::Range;

/// The geometry of a pooling: windows over the input, one output pixel each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Layout of the input.
    pub input: Image,
    /// Layout of the output.
    pub output: Image,
    /// Extent of the window, (vertical, horizontal).
    pub kernel: [usize; 2],
    /// Step between windows.
    pub stride: [usize; 2],
    /// Padding on both sides; at most half the window.
    pub padding: [usize; 2],
}

impl Pool {
    /// The output's extent for the input's, (height, width).
    pub fn output_size(&self) -> [usize; 2] {
        let size = [self.input.height, self.input.width];
        std::array::from_fn(|d| (size[d] + 2 * self.padding[d] - self.kernel[d]) / self.stride[d] + 1)
    }

    /// The largest value of every window; padding never wins.
    pub fn max_forward(&self, isa: Isa, x: &[f32], y: &mut [f32]) {
        max_forward(isa, self, x, y);
    }

    /// Sends every gradient to the largest value of its window, the first of several equal ones:
    /// `dx (+)= …`, into the interior of `dx`. `dy` has the layout `output`, of the border `dy_halo`, and
    /// `dx` the layout `input`, of the border `dx_halo`.
    ///
    /// With `relu`, `x` is the result of an activation and the gradient of its argument is taken: nothing
    /// flows where the largest value is not positive.
    pub fn max_backward(
        &self,
        isa: Isa,
        x: &[f32],
        y: &[f32],
        dy_halo: usize,
        dy: &[f32],
        relu: bool,
        accumulate: bool,
        dx_halo: usize,
        dx: &mut [f32],
    ) {
        let (of_dy, of_dx) = (self.output.with_halo(dy_halo), self.input.with_halo(dx_halo));
        max_backward(isa, self, x, y, of_dy, dy, relu, accumulate, of_dx, dx);
    }

    /// The mean of every window, where padding counts as zeros.
    pub fn average_forward(&self, isa: Isa, x: &[f32], y: &mut [f32]) {
        average_forward(isa, self, x, y);
    }

    /// Spreads every gradient over its window: `dx (+)= …`, into the interior of `dx`. Borders as in
    /// [`Pool::max_backward`].
    pub fn average_backward(
        &self,
        isa: Isa,
        dy_halo: usize,
        dy: &[f32],
        accumulate: bool,
        dx_halo: usize,
        dx: &mut [f32],
    ) {
        let (of_dy, of_dx) = (self.output.with_halo(dy_halo), self.input.with_halo(dx_halo));
        average_backward(isa, self, of_dy, dy, accumulate, of_dx, dx);
    }

    /// The part of the window of an output pixel that lies in the input, along one dimension.
    fn window(&self, dimension: usize, at: usize) -> Range<usize> {
        let size = [self.input.height, self.input.width][dimension];
        let start = at * self.stride[dimension];
        let inside = |x: usize| x.saturating_sub(self.padding[dimension]).min(size);
        inside(start)..inside(start + self.kernel[dimension])
    }

    /// Output pixels with their windows, in order.
    pub(crate) fn windows(&self) -> impl Iterator<Item = (usize, usize, Range<usize>, Range<usize>)> {
        (0..self.output.height).flat_map(move |y| {
            (0..self.output.width).map(move |x| (y, x, self.window(0, y), self.window(1, x)))
        })
    }

    pub(crate) fn check(&self) {
        assert_eq!([self.output.height, self.output.width], self.output_size(), "the output's extent");
        assert_eq!(self.input.channels, self.output.channels, "pooling keeps the channels");
        assert!((0..2).all(|d| 2 * self.padding[d] <= self.kernel[d]), "padding is at most half the window");
    }

    /// Whether the windows are the usual ones of 2 × 2, side by side.
    fn is_halving(&self) -> bool {
        self.kernel == [2, 2] && self.stride == [2, 2] && self.padding == [0, 0]
    }

    /// Whether the windows cover every input exactly once.
    fn tiles_input(&self) -> bool {
        self.kernel == self.stride
            && self.padding == [0, 0]
            && self.output.height * self.stride[0] == self.input.height
            && self.output.width * self.stride[1] == self.input.width
    }
}

for_each_isa! {
    fn max_forward<S>(pool: &Pool, x: &[f32], y: &mut [f32]) {
        pool.check();
        assert!(x.len() == pool.input.len() && y.len() == pool.output.len());
        let channels = pool.input.channels;
        let least = S::splat(f32::NEG_INFINITY);
        for row in 0..pool.output.height {
            let rows = pool.window(0, row);
            for c in (0..channels).step_by(S::LANES) {
                let mask = S::first(channels - c);
                // SAFETY: windows are clipped to the input, whose length is checked; lanes after the
                // last channel are masked. The same holds for every function below.
                let to = y.as_mut_ptr().add(pool.output.offset(row, 0) + c);
                if pool.is_halving() {
                    let from = x.as_ptr().add(pool.input.offset(rows.start, 0) + c);
                    for column in 0..pool.output.width {
                        let from = from.add(2 * column * channels);
                        let top = larger::<S>(from, from.add(channels), mask);
                        let from = from.add(pool.input.row());
                        let most = S::max(top, larger::<S>(from, from.add(channels), mask));
                        S::store_masked(to.add(column * channels), mask, most);
                    }
                    continue;
                }
                for column in 0..pool.output.width {
                    let columns = pool.window(1, column);
                    let mut most = least;
                    for at in rows.clone() {
                        let line = x.as_ptr().add(pool.input.offset(at, columns.start) + c);
                        for k in 0..columns.len() {
                            most = S::max(most, S::load_masked(line.add(k * channels), mask));
                        }
                    }
                    S::store_masked(to.add(column * channels), mask, most);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn larger<S: Simd>(a: *const f32, b: *const f32, mask: S::Mask) -> S::V {
    unsafe { S::max(S::load_masked(a, mask), S::load_masked(b, mask)) }
}

for_each_isa! {
    fn max_backward<S>(
        pool: &Pool, x: &[f32], y: &[f32], of_dy: Image, dy: &[f32], relu: bool, accumulate: bool,
        of_dx: Image, dx: &mut [f32],
    ) {
        pool.check();
        assert!(x.len() == pool.input.len() && y.len() == pool.output.len());
        assert!(dy.len() == of_dy.len() && dx.len() == of_dx.len());
        if !accumulate && !pool.tiles_input() {
            zero_interior(of_dx, dx);
        }
        // Windows that share no input need not add to it.
        let overwrite = !accumulate && (0..2).all(|d| pool.kernel[d] <= pool.stride[d]);
        let channels = pool.input.channels;
        for row in 0..pool.output.height {
            let rows = pool.window(0, row);
            for c in (0..channels).step_by(S::LANES) {
                let mask = S::first(channels - c);
                let y = y.as_ptr().add(pool.output.offset(row, 0) + c);
                let dy = dy.as_ptr().add(of_dy.offset(row, 0) + c);
                for column in 0..pool.output.width {
                    let most = S::load_masked(y.add(column * channels), mask);
                    let mut gradient = S::load_masked(dy.add(column * channels), mask);
                    if relu {
                        gradient = S::select(S::greater(most, S::splat(0.0)), gradient, S::splat(0.0));
                    }
                    let mut route = Route::<S> { most, gradient, taken: S::first(0), mask, overwrite };
                    if pool.is_halving() {
                        let line = x.as_ptr().add(pool.input.offset(rows.start, 2 * column) + c);
                        let to = dx.as_mut_ptr().add(of_dx.offset(rows.start, 2 * column) + c);
                        route.pass(line, to);
                        route.pass(line.add(channels), to.add(channels));
                        let (line, to) = (line.add(pool.input.row()), to.add(of_dx.row()));
                        route.pass(line, to);
                        route.pass(line.add(channels), to.add(channels));
                        continue;
                    }
                    let columns = pool.window(1, column);
                    for at in rows.clone() {
                        let line = x.as_ptr().add(pool.input.offset(at, columns.start) + c);
                        let to = dx.as_mut_ptr().add(of_dx.offset(at, columns.start) + c);
                        for k in (0..columns.len()).map(|k| k * channels) {
                            route.pass(line.add(k), to.add(k));
                        }
                    }
                }
            }
        }
    }
}

/// The way of one window's gradient to its first largest value.
struct Route<S: Simd> {
    most: S::V,
    gradient: S::V,
    /// Lanes whose value has been found.
    taken: S::Mask,
    mask: S::Mask,
    overwrite: bool,
}

impl<S: Simd> Route<S> {
    /// Visits the next value of the window.
    #[inline(always)]
    unsafe fn pass(&mut self, x: *const f32, dx: *mut f32) {
        unsafe {
            let equal = S::equal(S::load_masked(x, self.mask), self.most);
            let wins = S::and_not(equal, self.taken);
            self.taken = S::or(self.taken, equal);
            let mut value = S::select(wins, self.gradient, S::splat(0.0));
            if !self.overwrite {
                value = S::add(value, S::load_masked(dx, self.mask));
            }
            S::store_masked(dx, self.mask, value);
        }
    }
}

for_each_isa! {
    fn average_forward<S>(pool: &Pool, x: &[f32], y: &mut [f32]) {
        pool.check();
        assert!(x.len() == pool.input.len() && y.len() == pool.output.len());
        let channels = pool.input.channels;
        let share = S::splat(1.0 / (pool.kernel[0] * pool.kernel[1]) as f32);
        for (row, column, rows, columns) in pool.windows() {
            let to = y.as_mut_ptr().add(pool.output.offset(row, column));
            for c in (0..channels).step_by(S::LANES) {
                let mask = S::first(channels - c);
                let mut sum = S::splat(0.0);
                for at in rows.clone() {
                    let line = x.as_ptr().add(pool.input.offset(at, columns.start) + c);
                    for k in 0..columns.len() {
                        sum = S::add(sum, S::load_masked(line.add(k * channels), mask));
                    }
                }
                S::store_masked(to.add(c), mask, S::mul(sum, share));
            }
        }
    }
}

for_each_isa! {
    fn average_backward<S>(
        pool: &Pool, of_dy: Image, dy: &[f32], accumulate: bool, of_dx: Image, dx: &mut [f32],
    ) {
        pool.check();
        assert!(dy.len() == of_dy.len() && dx.len() == of_dx.len());
        if !accumulate {
            zero_interior(of_dx, dx);
        }
        let channels = pool.input.channels;
        let share = S::splat(1.0 / (pool.kernel[0] * pool.kernel[1]) as f32);
        for (row, column, rows, columns) in pool.windows() {
            let dy = dy.as_ptr().add(of_dy.offset(row, column));
            for c in (0..channels).step_by(S::LANES) {
                let mask = S::first(channels - c);
                let gradient = S::mul(S::load_masked(dy.add(c), mask), share);
                for at in rows.clone() {
                    let to = dx.as_mut_ptr().add(of_dx.offset(at, columns.start) + c);
                    for k in (0..columns.len()).map(|k| k * channels) {
                        let value = S::add(gradient, S::load_masked(to.add(k), mask));
                        S::store_masked(to.add(k), mask, value);
                    }
                }
            }
        }
    }
}

fn zero_interior(image: Image, x: &mut [f32]) {
    for row in 0..image.height {
        x[image.line(row)].fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::{assert_close, for_each_window, random_image};
    use proptest::prelude::*;

    fn pool() -> impl Strategy<Value = Pool> {
        let sizes = ((1..=3usize, 1..=3usize), (1..=3usize, 1..=3usize), (0..=1usize, 0..=1usize));
        (sizes, (1..=9usize, 1..=17usize), 1..=40usize, 0..=2usize).prop_filter_map(
            "the window fits",
            |((kernel, stride, padding), (height, width), channels, halo)| {
                let [kernel, stride, padding] = [kernel, stride, padding].map(|(y, x)| [y, x]);
                let fits = (height + 2 * padding[0] >= kernel[0]) && (width + 2 * padding[1] >= kernel[1]);
                let input = Image { height, width, channels, halo };
                let mut pool = Pool { input, output: input, kernel, stride, padding };
                (fits && (0..2).all(|d| 2 * padding[d] <= kernel[d])).then(|| {
                    let [height, width] = pool.output_size();
                    pool.output = Image { height, width, channels, halo: 1 };
                    pool
                })
            },
        )
    }

    proptest! {
            #[test]
            fn maxima_and_their_gradients(pool in pool(), relu: bool, accumulate: bool) {
                // Few distinct values, so that windows hold equal ones.
                let coarse = |x: f32| (x * 2.0).round() / 2.0;
                let x: Vec<_> = random_image(1, pool.input).into_iter().map(coarse).collect();
                let dy = random_image(2, pool.output.with_halo(2));
                let before = random_image(3, pool.input.with_halo(1));
                let mut y = vec![0.0; pool.output.len()];
                let mut dx: Vec<_> = before.iter().map(|&x| if accumulate { f64::from(x) } else { 0.0 }).collect();
                let moved = |from: Image, to: Image, at: usize| {
                    let pixel = at / from.channels;
                    let (row, column) = (pixel * from.channels / from.row(), pixel % (from.row() / from.channels));
                    to.offset(row - from.halo, column - from.halo) + at % from.channels
                };
                for_each_window(&pool, |at, window| {
                    let mut winner = window[0];
                    for &i in window {
                        if x[i] > x[winner] {
                            winner = i;
                        }
                    }
                    y[at] = f64::from(x[winner]);
                    if !relu || x[winner] > 0.0 {
                        let dy = dy[moved(pool.output, pool.output.with_halo(2), at)];
                        dx[moved(pool.input, pool.input.with_halo(1), winner)] += f64::from(dy);
                    }
                });
                for isa in Isa::available() {
                    let mut actual = vec![0.0; pool.output.len()];
                    pool.max_forward(isa, &x, &mut actual);
                    assert_close("max", &actual, &y, 0.0);
                    let mut gradient = before.clone();
                    pool.max_backward(isa, &x, &actual, 2, &dy, relu, accumulate, 1, &mut gradient);
                    assert_close("gradient", &gradient, &dx, 1e-5);
                }
            }

            #[test]
            fn means_and_their_gradients(pool in pool(), accumulate: bool) {
                let x = random_image(1, pool.input);
                let dy = random_image(2, pool.output);
                let before = random_image(3, pool.input);
                let share = 1.0 / (pool.kernel[0] * pool.kernel[1]) as f64;
                let mut y = vec![0.0; pool.output.len()];
                let mut dx: Vec<_> = before.iter().map(|&x| if accumulate { f64::from(x) } else { 0.0 }).collect();
                for_each_window(&pool, |at, window| {
                    y[at] = share * window.iter().map(|&i| f64::from(x[i])).sum::<f64>();
                    for &i in window {
     dx[i] += share * f64::from(dy[at]);
    }
                });
                for isa in Isa::available() {
                    let mut actual = vec![0.0; pool.output.len()];
                    pool.average_forward(isa, &x, &mut actual);
                    assert_close("mean", &actual, &y, 1e-5);
                    let mut gradient = before.clone();
                    pool.average_backward(isa, pool.output.halo, &dy, accumulate, pool.input.halo, &mut gradient);
                    assert_close("gradient", &gradient, &dx, 1e-5);
                }
            }
        }
}
