//! The search: key forms, body forms and methods tried against all readings of the signature, likeliest first, within a budget.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    rc::Rc,
};

use super::{
    body::{BodyStep, body_steps},
    candidate::Candidate,
    finding::{Cause, Certainty, Difference, Finding},
    header::{self, Reading, reading_of},
    key::{KeyForm, PAIR_COST, PAIRED_KEYS, key_forms},
    method::Method,
};
use crate::verification::Match;

/// The most digests computed for one explanation. It holds every single mistake with one key and the likely pairs.
pub const DIGESTS_MAX: usize = 300;
/// Above this size only those guesses are made that go through the body once without reading it as a whole.
pub const WHOLE_BODY_BYTES_MAX: usize = 4 << 20;
/// The most body bytes digested or rewritten, so that a long body costs a bounded time as well.
const WORK_BYTES_MAX: usize = DIGESTS_MAX * WHOLE_BODY_BYTES_MAX;
/// Body forms kept to be used again, in bytes; what does not fit is made anew.
const KEPT_BYTES_MAX: usize = 16 << 20;
/// How a search ended.
pub(super) enum Outcome {
    /// The signature fits as it is.
    Fits,
    /// It fits under the assumptions in the finding.
    Proved(Box<Finding>),
    /// Nothing fits.
    Nothing(Tried),
}

/// What a search without result has tried.
pub(super) struct Tried {
    pub(super) digests: usize,
    pub(super) key_forms: usize,
    pub(super) body_forms: usize,
    pub(super) methods: usize,
    /// Whether the budget ended it.
    pub(super) cut_short: bool,
    /// Whether the body was too long for guesses that read it as a whole.
    pub(super) streamed_only: bool,
}

/// Tries until something fits or the budget is spent.
pub(super) fn search(candidate: &Candidate<'_>, readings: &[Reading]) -> Outcome {
    if let Some(outcome) = as_given(candidate, readings) {
        return outcome;
    }
    let keys = key_forms(candidate);
    let mut bodies = Bodies::new(candidate);
    let trials = trials(&keys, &bodies.steps, readings);
    let methods = usable_methods(readings).count();
    // The keys as given come first of all and were tried just now.
    let mut digests = trials.iter().take_while(|trial| trial.cost == 0).count();
    bodies.work_left = bodies.work_left.saturating_sub(digests * candidate.body.len());
    let mut cut_short = false;
    for trial in trials.iter().skip(digests) {
        if digests == DIGESTS_MAX || bodies.work_left < candidate.body.len() {
            cut_short = true;
            break;
        }
        let Some(body) = bodies.form(trial.steps) else { continue };
        let key = &keys[trial.key];
        digests += 1;
        bodies.work_left = bodies.work_left.saturating_sub(body.len());
        if let Some(reading) = reading_of(readings, &trial.method.digest(&key.bytes, &body)) {
            let steps = trial.steps.map(|step| step.map(|place| bodies.steps[place]));
            return hit(candidate, reading, key, trial.method, &steps, &body);
        }
    }
    let body_forms = bodies.forms();
    let streamed_only = candidate.body.len() > WHOLE_BODY_BYTES_MAX;
    Outcome::Nothing(Tried { digests, key_forms: keys.len(), body_forms, methods, cut_short, streamed_only })
}

/// The keys as given over the body as given. A signature that is only written wrongly is no answer while another one fits as it is.
fn as_given(candidate: &Candidate<'_>, readings: &[Reading]) -> Option<Outcome> {
    let method = Method::HmacSha256;
    if !readings.iter().any(|reading| reading.mac.len() == method.digest_bytes()) {
        return None;
    }
    let mut malformed = None;
    for (place, key) in candidate.keys.iter().enumerate() {
        let Some(reading) = reading_of(readings, &method.digest(key, candidate.body)) else { continue };
        match hit(candidate, reading, &KeyForm::given(place, key), method, &[None, None], candidate.body) {
            Outcome::Proved(finding) => malformed = malformed.or(Some(Outcome::Proved(finding))),
            outcome => return Some(outcome),
        }
    }
    malformed
}

/// Places of up to two steps, carried out in this order.
type Steps = [Option<usize>; 2];

struct Trial {
    key: usize,
    steps: Steps,
    method: Method,
    cost: u16,
}

fn usable_methods(readings: &[Reading]) -> impl Iterator<Item = (Method, u16)> {
    Method::ALL.into_iter().filter(|(method, _)| readings.iter().any(|reading| reading.mac.len() == method.digest_bytes()))
}

/// Everything worth a try with at most two mistakes, likeliest first.
fn trials(keys: &[KeyForm], steps: &[BodyStep], readings: &[Reading]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (method, method_cost) in usable_methods(readings) {
        let wrong_method = usize::from(method.cause().is_some());
        for (place, key) in keys.iter().enumerate() {
            let mistakes = wrong_method + key.mistakes;
            if mistakes > 2
                || (!method.is_keyed() && place > 0)
                || (mistakes > 0 && key.place >= PAIRED_KEYS && key.mistakes + wrong_method > 1)
            {
                continue;
            }
            let second = if wrong_method == 1 && key.mistakes == 1 { PAIR_COST } else { 0 };
            let base = method_cost + key.cost + second;
            trials.push(Trial { key: place, steps: [None, None], method, cost: base });
            if mistakes == 2 || (mistakes == 1 && key.place >= PAIRED_KEYS) {
                continue;
            }
            let with_body = base + if mistakes == 1 { PAIR_COST } else { 0 };
            for (first, one) in steps.iter().enumerate() {
                trials.push(Trial { key: place, steps: [Some(first), None], method, cost: with_body + one.cost });
                if mistakes > 0 || key.place >= PAIRED_KEYS {
                    continue;
                }
                let pairs = steps.iter().enumerate().filter(|(second, two)| *second != first && may_follow(one, two));
                trials.extend(pairs.map(|(second, two)| Trial {
                    key: place,
                    steps: [Some(first), Some(second)],
                    method,
                    cost: with_body + one.cost + two.cost + PAIR_COST,
                }));
            }
        }
    }
    trials.sort_by_key(|trial| trial.cost);
    trials
}

/// Only rewriting happens in more than one way at a time; the other causes come once.
fn may_follow(one: &BodyStep, two: &BodyStep) -> bool {
    one.cause != two.cause || one.cause == Cause::BodyReserialised
}

/// The forms of the body, made when they are needed.
struct Bodies<'c> {
    body: &'c [u8],
    steps: Vec<BodyStep>,
    made: HashMap<Steps, Form>,
    /// Hash of each form, to try equal ones once.
    seen: HashMap<u64, Steps>,
    kept_bytes: usize,
    work_left: usize,
}

#[derive(Clone)]
enum Form {
    /// Does not apply, or is the same as a likelier one.
    Unusable,
    Kept(Rc<[u8]>),
    /// Usable, but too long to keep.
    Dropped,
}

impl<'c> Bodies<'c> {
    fn new(candidate: &Candidate<'c>) -> Self {
        let body = candidate.body;
        let whole = body.len() <= WHOLE_BODY_BYTES_MAX;
        let steps = body_steps(candidate.content_length()).into_iter().filter(|step| whole || step.streams).collect();
        let mut bodies = Self { body, steps, made: HashMap::new(), seen: HashMap::new(), kept_bytes: 0, work_left: WORK_BYTES_MAX };
        bodies.seen.insert(hash(body), [None, None]);
        bodies
    }

    /// How many different forms were tried, the body as given among them.
    fn forms(&self) -> usize {
        self.seen.len()
    }

    /// The body under the steps; `None` when they do not apply or lead to what was tried before.
    fn form(&mut self, steps: Steps) -> Option<Rc<[u8]>> {
        match self.made.get(&steps) {
            Some(Form::Unusable) => return None,
            Some(Form::Kept(form)) => return Some(Rc::clone(form)),
            Some(Form::Dropped) | None => {}
        }
        let made = self.make(steps);
        let entry = match &made {
            None => Form::Unusable,
            Some(form) if *self.seen.entry(hash(form)).or_insert(steps) != steps => Form::Unusable,
            Some(form) if self.kept_bytes + form.len() <= KEPT_BYTES_MAX => {
                self.kept_bytes += form.len();
                Form::Kept(Rc::clone(form))
            }
            Some(_) => Form::Dropped,
        };
        let usable = !matches!(entry, Form::Unusable);
        self.made.insert(steps, entry);
        made.filter(|_| usable)
    }

    fn make(&mut self, steps: Steps) -> Option<Rc<[u8]>> {
        let [Some(first), second] = steps else { return Some(Rc::from(self.body)) };
        let Some(second) = second else {
            self.work_left = self.work_left.saturating_sub(self.body.len());
            return self.steps[first].undo(self.body).map(Rc::from);
        };
        // A step that does not apply to the body has no second one behind it.
        if matches!(self.made.get(&[Some(first), None]), Some(Form::Unusable)) || self.body.len() > WHOLE_BODY_BYTES_MAX {
            return None;
        }
        let once = self.form([Some(first), None])?;
        self.work_left = self.work_left.saturating_sub(once.len());
        self.steps[second].undo(&once).map(Rc::from)
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

fn hit(candidate: &Candidate<'_>, reading: &Reading, key: &KeyForm, method: Method, steps: &[Option<BodyStep>; 2], body: &[u8]) -> Outcome {
    let steps: Vec<&BodyStep> = steps.iter().flatten().collect();
    let key_causes = if method.is_keyed() { key.causes.as_slice() } else { &[] };
    let found = reading.causes.iter().chain(key_causes).copied().chain(method.cause()).chain(steps.iter().map(|step| step.cause));
    let mut causes: Vec<Cause> = Vec::new();
    for cause in found {
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    if causes.is_empty() {
        return Outcome::Fits;
    }
    let key_fix = if method.is_keyed() { key.fix.as_str() } else { "" };
    let header_fixes = reading.causes.iter().map(|cause| header::fix(*cause));
    let mut fixes: Vec<&str> = Vec::new();
    for fix in header_fixes.chain([key_fix, method.fix()]).chain(steps.iter().map(|step| step.fix)) {
        if !fix.is_empty() && !fixes.contains(&fix) {
            fixes.push(fix);
        }
    }
    Outcome::Proved(Box::new(Finding {
        causes,
        certainty: Certainty::Proved,
        evidence: evidence(reading, key, method, &steps, body),
        fix: fixes.join("; "),
        matched: Some(Match { key: key.place, header: reading.number }),
        difference: Difference::between(candidate.body, body),
    }))
}

fn evidence(reading: &Reading, key: &KeyForm, method: Method, steps: &[&BodyStep], body: &[u8]) -> String {
    let with = if method.is_keyed() { format!(" with {}", key.what) } else { String::new() };
    let over = match steps {
        [] => "as given".to_owned(),
        steps => steps.iter().map(|step| step.what).collect::<Vec<_>>().join(", then "),
    };
    let read = match reading.causes.as_slice() {
        [] => String::new(),
        causes => format!(", read {}", causes.iter().map(|cause| header::phrase(*cause)).collect::<Vec<_>>().join(" and ")),
    };
    let (name, bytes, number) = (method.name(), body.len(), reading.number);
    format!("{name}{with} over the body {over} ({bytes} bytes) is the value of signature {number}{read}")
}
