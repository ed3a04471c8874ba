//! As much of JSON Schema as `docs/json.schema.json` uses; anything else in it fails the test.

use serde_json::Value;

/// Words that explain and do not constrain.
const COMMENTS: [&str; 4] = ["$schema", "$defs", "title", "description"];

/// What is wrong with a value, if anything.
pub fn check(value: &Value, schema: &Value) -> Result<(), String> {
    Schema { root: schema }.check(value, schema)
}

struct Schema<'a> {
    root: &'a Value,
}

impl Schema<'_> {
    fn check(&self, value: &Value, schema: &Value) -> Result<(), String> {
        let complain = |what: &str| Err(format!("{value} {what}: {schema}"));
        for (word, rule) in schema.as_object().expect("a schema is an object") {
            let holds = match word.as_str() {
                "$ref" => {
                    self.check(value, self.find(rule))?;
                    true
                }
                "type" => has_type(value, rule.as_str().expect("a type")),
                "enum" => rule.as_array().expect("values").contains(value),
                "minimum" => within(rule, value),
                "maximum" => within(value, rule),
                "format" => {
                    assert_eq!(rule, "date-time");
                    is_moment(value.as_str().unwrap_or_default())
                }
                "items" => {
                    for element in value.as_array().into_iter().flatten() {
                        self.check(element, rule)?;
                    }
                    true
                }
                "properties" => {
                    for (name, member) in value.as_object().into_iter().flatten() {
                        if let Some(rule) = rule.get(name) {
                            self.check(member, rule)?;
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    let known = schema.get("properties").expect("properties");
                    let members = value.as_object().into_iter().flatten();
                    let mut others = members.filter(|(name, _)| known.get(name).is_none());
                    match rule {
                        Value::Bool(false) => others.next().is_none(),
                        rule => others.all(|(_, other)| self.check(other, rule).is_ok()),
                    }
                }
                "required" => {
                    let mut names = rule.as_array().into_iter().flatten();
                    names.all(|name| value.get(name.as_str().unwrap()).is_some())
                }
                "anyOf" => self.count(value, rule) > 0,
                "oneOf" => self.count(value, rule) == 1,
                _ => {
                    assert!(COMMENTS.contains(&word.as_str()), "unknown word {word}");
                    true
                }
            };
            if !holds {
                return complain(word);
            }
        }
        Ok(())
    }

    /// How many of the rules hold.
    fn count(&self, value: &Value, rules: &Value) -> usize {
        let rules = rules.as_array().expect("rules").iter();
        rules.filter(|rule| self.check(value, rule).is_ok()).count()
    }

    fn find(&self, reference: &Value) -> &Value {
        let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
        self.root.pointer(pointer.unwrap()).expect("a definition")
    }
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => panic!("unknown type {name}"),
    }
}

fn within(low: &Value, high: &Value) -> bool {
    let number = |value: &Value| {
        let signed = value.as_i64().map(i128::from);
        signed.or(value.as_u64().map(i128::from))
    };
    match (number(low), number(high)) {
        (Some(low), Some(high)) => low <= high,
        // A limit says nothing about what is no number.
        _ => true,
    }
}

/// `2026-11-21T07:01:39.424021969Z`
fn is_moment(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    shape == "0000-00-00T00:00:00.000000000Z"
}

/// What `-C` and `-S` show; the program's own tests compare the lines.
#[test]
fn the_schema_knows_numbers_too() {
    let schema: Value = serde_json::from_str(super::SCHEMA).unwrap();
    for (line, fits) in [
        (r#"{"entries":7,"entries_max":262144}"#, true),
        (r#"{"expectations":0}"#, true),
        (
            r#"{"cpu":0,"found":0,"insert_failed":18446744073709551615}"#,
            true,
        ),
        (r#"{"cpu":1,"expect_new":0}"#, true),
        (r#"{"cpu":0,"found":"0"}"#, false),
        (r#"{"found":0}"#, false),
        (r#"{"entries":-1}"#, false),
        ("{}", false),
        ("7", false),
    ] {
        let value = serde_json::from_str(line).unwrap();
        assert_eq!(check(&value, &schema).is_ok(), fits, "{line}");
    }
}

#[test]
fn the_schema_refuses_what_it_should() {
    let schema: Value = serde_json::from_str(super::SCHEMA).unwrap();
    let flow = r#"{"family":"ipv4","protonum":6,"orig":{"src":"1.1.1.1","dst":"2.2.2.2"}}"#;
    let mut flow: Value = serde_json::from_str(flow).unwrap();
    assert_eq!(check(&flow, &schema), Ok(()));
    for (member, value) in [
        ("timeout", "-1"),
        ("timeout", "\"5\""),
        ("family", "\"inet\""),
        ("family", "4"),
        ("protonum", "256"),
        ("time", "\"yesterday\""),
        ("status", "[\"ASSUREDLY\"]"),
        ("status", "\"ASSURED\""),
        ("orig", "{\"src\":\"1.1.1.1\"}"),
        ("more", "1"),
    ] {
        let kept = flow.get(member).cloned();
        flow[member] = serde_json::from_str(value).unwrap();
        assert!(check(&flow, &schema).is_err(), "{flow}");
        match kept {
            Some(kept) => flow[member] = kept,
            None => {
                flow.as_object_mut().unwrap().remove(member);
            }
        }
    }
    flow.as_object_mut().unwrap().remove("orig");
    assert!(check(&flow, &schema).is_err());
}
