//! Labels on the command line: from names to bits.
//!
//! A name is one of the label file's, or `bit:N` for a bit whatever it is called, so that a saved
//! table can be loaded where the file is another one. All names of a list count (compat: cli-14).

use std::sync::Arc;

use flow::{LabelMap, Labels};

use super::error::Error;
use super::lowargs::Environment;
use super::options::Id;

/// What a label file has to say, or why it has nothing.
pub type Names = Result<Arc<LabelMap>, String>;

/// What stands before the number of a bit.
const BIT: &str = "bit:";

/// What was typed about labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelWords {
    /// `-l`
    pub wanted: Vec<String>,
    /// `--label-add`
    pub add: Vec<String>,
    /// `--label-del`, empty for all.
    pub del: Option<Vec<String>>,
    /// `--labelmap`
    pub file: Option<String>,
    /// Whether their names are to be shown.
    pub shown: bool,
}

/// What it means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelArgs {
    /// Labels of which all have to be set.
    pub wanted: Option<Labels>,
    /// Labels to set.
    pub add: Option<Labels>,
    /// Labels to clear.
    pub del: Option<Labels>,
    /// The names, when labels matter to the command.
    pub map: Option<Arc<LabelMap>>,
}

impl LabelWords {
    /// Takes the argument of an option about labels.
    pub fn read(&mut self, option: Id, value: Option<&str>) {
        let names = value.into_iter().flat_map(|text| text.split(','));
        let names = names.map(str::to_owned);
        match option {
            Id::Label => self.wanted.extend(names),
            Id::LabelAdd => self.add.extend(names),
            Id::LabelDel => self.del.get_or_insert_default().extend(names),
            _ => self.file = value.map(str::to_owned),
        }
    }

    /// Looks the names up. A file that cannot be used leaves the labels without names, which is
    /// said in `notices`.
    pub fn resolve(
        &self,
        environment: &Environment<'_>,
        notices: &mut Vec<String>,
    ) -> Result<LabelArgs, Error> {
        let names = || self.wanted.iter().chain(&self.add);
        let names = || names().chain(self.del.iter().flatten());
        if !self.shown && self.del.is_none() && names().next().is_none() {
            return Ok(LabelArgs::default());
        }
        let map = (environment.labels)(self.file.as_deref()).unwrap_or_else(|reason| {
            if self.shown || names().any(|name| !name.starts_with(BIT)) {
                notices.push(format!("nfct_labelmap_new: {reason}"));
            }
            Arc::default()
        });
        let some = |names: &[String]| match names {
            [] => Ok(None),
            names => bits(&map, names).map(Some),
        };
        Ok(LabelArgs {
            wanted: some(&self.wanted)?,
            add: some(&self.add)?,
            del: match self.del.as_deref() {
                Some([]) => Some(all()),
                Some(names) => some(names)?,
                None => None,
            },
            map: Some(map),
        })
    }
}

fn bits(map: &LabelMap, names: &[String]) -> Result<Labels, Error> {
    let mut labels = Labels::empty();
    for name in names {
        let bit = match name.strip_prefix(BIT) {
            Some(number) => number_of(number),
            None => map.bit(name),
        };
        if !bit.is_some_and(|bit| labels.set(bit)) {
            return Err(Error::UnknownLabel(name.clone()));
        }
    }
    Ok(labels)
}

/// Digits alone: Rust would take a sign.
fn number_of(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// Every bit that the kernel has.
fn all() -> Labels {
    Labels::from_words(&[u32::MAX; 4]).unwrap_or_default()
}
