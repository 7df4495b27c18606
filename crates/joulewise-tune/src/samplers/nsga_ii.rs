//! Nondominated sorting.

mod inheritance;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use self::inheritance::child;
use crate::front;
use crate::objective::Objectives;
use crate::point::Point;
use crate::random::Stream;
use crate::rank::{Class, Rank};
use crate::sampler::Sampler;
use crate::samplers::Sobol;
use crate::space::Space;
use crate::trial::{State, Trial, TrialId};

/// Trials of a generation.
const POPULATION: usize = 50;
/// Children that are made until there is one that no trial has been.
const CHILDREN: usize = 20;

/// A genetic algorithm that keeps what no other trial beats, and of that what is far apart (NSGA-II, Deb et al. 2002).
///
/// It is for several objectives, parameters of all kinds, conditions included, and many hundreds of cheap trials. The
/// first generation is a [`Sobol`] sequence, of [50 trials](Self::population). When as many trials have ended as a
/// generation has, in whichever order, the parents of the next one are chosen among them and their own parents: front
/// after front, and of the front that does not fit what is least crowded. Trials that keep all bounds come before those
/// that miss them, by how much they do; then those that were stopped, the latest first. Trials that failed are nobody's
/// parents.
///
/// A child has two parents, each the better of two at random. Of numbers it takes one near either parent's (simulated
/// binary crossover, Deb and Agrawal 1995), of choices that of either; then, on average, one of its parameters moves.
/// What only one parent has comes from that one. Children that were trials already are not proposed, unless the study
/// [is noisy](Self::noisy).
#[derive(Clone, Debug)]
pub struct NsgaIi {
    objectives: Objectives,
    population: usize,
    is_noisy: bool,
    parents: Vec<Parent>,
    /// The generation as far as it has ended.
    ended: Vec<Member>,
    /// Those of which nothing more is to be learnt.
    judged: BTreeSet<TrialId>,
    /// How many trials, lost ones excepted, were at a point, by its hash.
    seen: BTreeMap<u64, usize>,
    running: BTreeSet<TrialId>,
}

#[derive(Clone, Debug)]
struct Member {
    id: TrialId,
    rank: Rank,
    point: Point,
}

#[derive(Clone, Debug)]
struct Parent {
    member: Member,
    /// The number of its front.
    front: usize,
    /// How far its neighbours in the front are.
    room: f64,
}

impl NsgaIi {
    /// For a study with these objectives.
    pub fn new(objectives: &Objectives) -> Self {
        Self {
            objectives: objectives.clone(),
            population: POPULATION,
            is_noisy: false,
            parents: Vec::new(),
            ended: Vec::new(),
            judged: BTreeSet::new(),
            seen: BTreeMap::new(),
            running: BTreeSet::new(),
        }
    }

    /// Has so many trials in a generation, at least 4, instead of 50.
    #[must_use]
    pub fn population(mut self, trials: usize) -> Self {
        self.population = trials.max(4);
        self
    }

    /// Takes the values for noisy: the same point may be worth another trial.
    #[must_use]
    pub fn noisy(mut self) -> Self {
        self.is_noisy = true;
        self
    }

    fn has_seen(&self, point: &Point) -> bool {
        self.seen.get(&hash(point)).is_some_and(|count| *count > 0)
    }

    /// The better of two parents at random.
    fn parent(&self, stream: &mut Stream) -> &Parent {
        let mut draw = || &self.parents[stream.below(self.parents.len() as u64) as usize];
        let (one, other) = (draw(), draw());
        let by_room = one.room.total_cmp(&other.room).reverse();
        if one.front.cmp(&other.front).then(by_room).is_le() { one } else { other }
    }

    /// Chooses the next parents.
    fn advance(&mut self) {
        let mut members: Vec<Member> = self.parents.drain(..).map(|parent| parent.member).collect();
        members.append(&mut self.ended);
        members.sort_by_key(|member| member.id);
        let ranks: Vec<&Rank> = members.iter().map(|member| &member.rank).collect();
        let losses: Vec<Vec<f64>> = ranks.iter().map(|rank| rank.losses.clone()).collect();
        let mut chosen = Vec::with_capacity(self.population);
        for (number, front) in fronts(&ranks, &losses).into_iter().enumerate() {
            let left = self.population - chosen.len();
            let mut crowd: Vec<(usize, f64)> =
                front.iter().copied().zip(front::room(&losses, &front)).collect();
            if crowd.len() > left {
                crowd.sort_by(|a, b| b.1.total_cmp(&a.1));
                crowd.truncate(left);
            }
            chosen.extend(crowd.into_iter().map(|(index, room)| (index, number, room)));
            if chosen.len() == self.population {
                break;
            }
        }
        let parent = |(index, front, room): (usize, usize, f64)| Parent {
            member: members[index].clone(),
            front,
            room,
        };
        self.parents = chosen.into_iter().map(parent).collect();
    }
}

/// The members in fronts, the best one first: of those that keep the bounds what no other dominates; all others by how
/// far they are from that.
fn fronts(ranks: &[&Rank], losses: &[Vec<f64>]) -> Vec<Vec<usize>> {
    let (mut left, mut others): (Vec<usize>, Vec<usize>) =
        (0..ranks.len()).partition(|index| ranks[*index].class == Class::Feasible);
    let mut fronts = Vec::new();
    while !left.is_empty() {
        let (front, rest) = front::peel(losses, &left);
        fronts.push(front);
        left = rest;
    }
    let tier = |index: &usize| (ranks[*index].class, ranks[*index].first);
    others.sort_by(|a, b| ranks[*a].class.cmp(&ranks[*b].class).then(tier(a).1.total_cmp(&tier(b).1)));
    for tier in others.chunk_by(|a, b| tier(a) == tier(b)) {
        fronts.push(tier.to_vec());
    }
    fronts
}

fn hash(point: &Point) -> u64 {
    let mut hasher = DefaultHasher::new();
    point.to_string().hash(&mut hasher);
    hasher.finish()
}

impl Sampler for NsgaIi {
    fn tell(&mut self, trial: &Trial) {
        let is_there = !matches!(trial.state, State::Lost { .. });
        let count = self.seen.entry(hash(&trial.point)).or_default();
        match (is_there, self.running.contains(&trial.id)) {
            (true, false) => {
                self.running.insert(trial.id);
                *count += 1;
            }
            (false, true) => {
                self.running.remove(&trial.id);
                *count -= 1;
            }
            _ => {}
        }
        self.ended.retain(|member| member.id != trial.id);
        if !is_there || trial.state == State::Running || self.judged.contains(&trial.id) {
            return;
        }
        let rank = Rank::of(trial, &self.objectives);
        if rank.class == Class::Failed {
            return;
        }
        self.ended.push(Member { id: trial.id, rank, point: trial.point.clone() });
        if self.ended.len() == self.population {
            self.judged.extend(self.ended.iter().map(|member| member.id));
            self.advance();
        }
    }

    fn ask(&mut self, space: &Space, mut stream: Stream) -> Point {
        if self.parents.is_empty() {
            let point = Sobol.ask(space, stream.clone());
            if self.is_noisy || !self.has_seen(&point) {
                return point;
            }
            return space.draw(&mut stream);
        }
        let mut point = Point::default();
        for _ in 0..CHILDREN {
            point = space.first_admitted(|| {
                let (mother, father) = (self.parent(&mut stream), self.parent(&mut stream));
                child(space, &mother.member.point, &father.member.point, &mut stream)
            });
            if self.is_noisy || !self.has_seen(&point) {
                return point;
            }
        }
        // All of them were there: something else is worth more than the last one again.
        let other = space.draw(&mut stream);
        if self.has_seen(&other) { point } else { other }
    }
}

#[cfg(test)]
mod tests;
