//! `lldpctl -f json` and `-f json0` of lldpd: neighbours by interface.
//!
//! The two formats, and the first of them with itself, differ in whether there is a list or one thing; both are read alike.

use super::quoted;
use crate::evidence::{Aggregation, Lldp, LldpVlan};
use crate::wire::lldp::add_organised;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde_json::{Map, Value};

/// What lldpd knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Neighbours {
    /// Interface and neighbour, in lldpd's order; an interface may have several.
    pub found: Vec<(String, Lldp)>,
    /// Interface, and what of its neighbour cannot be read.
    pub faults: Vec<(String, String)>,
}

/// Reads the document.
///
/// # Errors
///
/// It is no JSON (with `serde_json`'s line and column), or not lldpd's.
pub fn read(text: &str) -> Result<Neighbours, String> {
    let document: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Some(top) = child(&document, "lldp") else { return Err("no `lldp` in it, so it is not what lldpctl prints".into()) };
    let mut neighbours = Neighbours::default();
    for item in child_list(top, "interface") {
        let Some(fields) = item.as_object() else { continue };
        if let (Some(name), true) = (fields.get("name").and_then(Value::as_str), fields.contains_key("via")) {
            neighbours.add(name, item);
            continue;
        }
        for (name, body) in fields {
            for body in list(body) {
                neighbours.add(name, body);
            }
        }
    }
    Ok(neighbours)
}

/// A thing, or the things of a list.
fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        Value::Null => &[],
        one => core::slice::from_ref(one),
    }
}

fn child<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    list(value).first()?.get(key)
}

fn child_list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    child(value, key).map(list).unwrap_or_default()
}

/// The text of a leaf: itself, or its `value`.
fn leaf(value: &Value) -> Option<String> {
    match list(value).first()? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(fields) => fields.get("value")?.as_str().map(ToOwned::to_owned),
        _ => None,
    }
}

fn child_leaf(value: &Value, key: &str) -> Option<String> {
    leaf(child(value, key)?)
}

fn child_number<T: core::str::FromStr>(value: &Value, key: &str) -> Option<T> {
    child_leaf(value, key)?.parse().ok()
}

/// Type and value of a chassis or port id.
fn id(value: &Value) -> Option<(String, String)> {
    let id = child(value, "id")?;
    Some((child_leaf(id, "type").unwrap_or_default(), child_leaf(id, "value")?))
}

/// The chassis and its name: in one format the name is a field, in the other the key that the chassis stands under.
fn chassis(value: &Value) -> Option<(Option<String>, &Value)> {
    let first = list(value).first()?;
    let fields: &Map<String, Value> = first.as_object()?;
    if fields.contains_key("id") {
        return Some((child_leaf(first, "name"), first));
    }
    fields.iter().next().map(|(name, chassis)| (Some(name.clone()), chassis))
}

impl Neighbours {
    fn add(&mut self, interface: &str, body: &Value) {
        // What CDP and others say has other fields.
        if child_leaf(body, "via").as_deref() != Some("LLDP") {
            return;
        }
        let mut fault = |why: &str| self.faults.push((interface.to_owned(), why.to_owned()));
        let known = child(body, "chassis").and_then(chassis);
        let Some((name, chassis)) = known else { return fault("a neighbour without a chassis") };
        let port = child(body, "port").unwrap_or(&Value::Null);
        let (Some((chassis_id_type, chassis_id)), Some((port_id_type, port_id))) = (id(chassis), id(port)) else {
            return fault("a neighbour whose chassis or port has no id");
        };
        let some = |word: String| Some(word).filter(|word| !word.is_empty());
        let aggregate: Option<u32> = child_number(port, "aggregation").filter(|&id| id != 0);
        let mut lldp = Lldp {
            chassis_id,
            chassis_id_type: some(chassis_id_type),
            port_id,
            port_id_type: some(port_id_type),
            ttl: child_number(port, "ttl"),
            system_name: name,
            system_description: child_leaf(chassis, "descr"),
            port_description: child_leaf(port, "descr"),
            capabilities: child_list(chassis, "capability").iter().filter_map(capability).collect(),
            management_addresses: child_list(chassis, "mgmt-ip").iter().filter_map(leaf).collect(),
            max_frame_size: child_number(port, "mfs"),
            aggregation: aggregate.map(|id| Aggregation { capable: true, enabled: true, id }),
            source: Some("lldpd".into()),
            ..Lldp::default()
        };
        for vlan in child_list(body, "vlan") {
            let Some(id) = child_number(vlan, "vlan-id") else { continue };
            if vlan.get("pvid").is_some_and(|pvid| pvid.as_bool() == Some(true) || pvid.as_str() == Some("yes")) {
                lldp.port_vlan = Some(id);
            }
            if let Some(name) = leaf(vlan) {
                lldp.vlans.push(LldpVlan { id, name });
            }
        }
        let mut tlvs = Vec::new();
        for tlv in child(body, "unknown-tlvs").map(|tlvs| child_list(tlvs, "unknown-tlv")).unwrap_or_default() {
            let oui = child_leaf(tlv, "oui").and_then(|text| bytes(&text)).and_then(|oui| <[u8; 3]>::try_from(oui).ok());
            let value = child_leaf(tlv, "value").map_or_else(|| Some(Vec::new()), |text| bytes(&text));
            match (oui, child_number(tlv, "subtype"), value) {
                (Some(oui), Some(subtype), Some(value)) => tlvs.push((oui, subtype, value)),
                _ => fault(&format!("a TLV that is not in numbers: {}", quoted(&tlv.to_string()))),
            }
        }
        let faults = add_organised(&mut lldp, tlvs.iter().map(|(oui, subtype, value)| (*oui, *subtype, value.as_slice())));
        self.faults.extend(faults.iter().map(|fault| (interface.to_owned(), fault.to_string())));
        self.found.push((interface.to_owned(), lldp));
    }
}

/// The word of a capability that is switched on.
fn capability(value: &Value) -> Option<String> {
    let on = value.get("enabled").is_some_and(|on| on.as_bool() == Some(true) || on.as_str() == Some("on"));
    let word = value.get("type").and_then(Value::as_str).filter(|_| on)?.to_lowercase();
    Some(match word.as_str() {
        "wlan" => "wlan-ap".into(),
        "tel" => "telephone".into(),
        _ => word,
    })
}

/// `08,FF`.
fn bytes(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split(',').map(|byte| u8::from_str_radix(byte.trim(), 16).ok()).collect()
}
