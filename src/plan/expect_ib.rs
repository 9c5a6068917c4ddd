//! What a plan expects of InfiniBand: `expect.ipoib` and `expect.sm`.

use super::read::Reader;
use super::yaml::Node;
use pathvet_checks::expect::{IpoibExpect, IpoibMode, SmExpect};
use pathvet_checks::guid;
use serde_yaml::Value;

/// Largest MTU of `IPoIB` (`IPOIB_CM_MTU`, drivers/infiniband/ulp/ipoib/ipoib.h).
const LARGEST: u32 = 65_520;
/// Most standby managers that a plan may ask for; more do not occur.
const MOST_STANDBY: u64 = 64;
const GUID: &str = "the GUID of a port, such as 0x0002c90300cc0001 or 0002:c903:00cc:0001";

impl Reader {
    /// `ipoib: { mode: connected, mtu: 65520 }`.
    pub(super) fn ipoib(&mut self, node: &Node<'_>) -> IpoibExpect {
        let mut ipoib = IpoibExpect::default();
        let fields = self.fields(node, &["mode", "mtu"]).unwrap_or_default();
        for field in &fields {
            if field.key == "mode" {
                ipoib.mode = match self.word(&field.node, &["connected", "datagram"]) {
                    Some("connected") => Some(IpoibMode::Connected),
                    Some(_) => Some(IpoibMode::Datagram),
                    None => None,
                };
            } else if let Some(mtu) = self.size(&field.node, None) {
                ipoib.mtu = Some(mtu);
                self.fits(&field.node, mtu);
            }
        }
        if let (Some(IpoibMode::Datagram), Some(mtu)) = (ipoib.mode, ipoib.mtu)
            && mtu > 4092
            && mtu <= LARGEST
            && let Some(field) = fields.iter().find(|field| field.key == "mtu")
        {
            let problem = field.node.problem(format!("datagram mode has no MTU of {mtu}"));
            self.problems.push(problem.expected("expected at most 4092 (2044 on a 2048-byte link), or `mode: connected`"));
        }
        ipoib
    }

    fn fits(&mut self, node: &Node<'_>, mtu: u32) {
        if mtu > LARGEST {
            let problem = node.problem(format!("IPoIB has no MTU of {mtu}"));
            self.problems.push(problem.expected(format!("expected at most {LARGEST}")));
        } else if matches!(mtu, 2048 | 4096) {
            let fits = mtu - 4;
            let slip = node.problem(format!("{mtu} is the MTU of an InfiniBand link; IPoIB on it has {fits}"));
            self.notes.push(slip.help(format!("did you mean `{fits}`?")).warning());
        }
    }

    /// `sm: { master: "0x0002c90300cc0001", standby: 1 }`.
    pub(super) fn subnet_manager(&mut self, node: &Node<'_>) -> SmExpect {
        let mut sm = SmExpect::default();
        for field in self.fields(node, &["master", "standby"]).unwrap_or_default() {
            if field.key == "master" {
                sm.master = self.guid(&field.node);
            } else {
                let count = self.number(&field.node, 0..=MOST_STANDBY, "a number of standby managers");
                sm.standby = count.and_then(|number| u32::try_from(number).ok());
            }
        }
        sm
    }

    fn guid(&mut self, node: &Node<'_>) -> Option<String> {
        // Without quotes YAML reads 0x... as a number, which is the same GUID, and digits alone as a decimal number, which is not.
        let found = match node.value {
            Value::String(text) => guid::normal(text),
            Value::Number(number) if node.source().starts_with("0x") => {
                number.as_u64().filter(|value| *value != 0).map(guid::written)
            }
            Value::Number(_) => {
                let problem = node.problem("a GUID without quotes is read as a number");
                self.problems.push(problem.expected(format!("expected {GUID}")).help(format!("write it as \"{}\"", node.source())));
                return None;
            }
            _ => None,
        };
        if found.is_none() {
            self.wrong(node, GUID);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::Plan;
    use pathvet_checks::expect::{IpoibExpect, IpoibMode};

    #[test]
    fn guids_are_read_in_their_usual_spellings() {
        for spelling in
            ["0x0002c90300cc0001", "\"0x0002c90300cc0001\"", "0x2c90300cc0001", "0002:c903:00cc:0001", "00:02:c9:03:00:cc:00:01"]
        {
            let text = format!("schema: pathvet.plan/1\nexpect: {{ sm: {{ master: {spelling} }} }}\n");
            let plan = Plan::parse("plan.yaml", text.as_bytes()).unwrap_or_else(|error| panic!("{spelling}: {error}"));
            assert_eq!(plan.expect.all.sm.master.as_deref(), Some("0x0002c90300cc0001"), "{spelling}");
        }
    }

    #[test]
    fn keys_stand_at_each_level() {
        let text = "schema: pathvet.plan/1
hosts:
  node1: { expect: { ipoib: { mtu: 4092 } } }
networks:
  san: { interface: ib0, expect: { ipoib: { mode: datagram } } }
expect: { ipoib: { mode: connected, mtu: 65520 }, sm: { standby: 0 } }
";
        let expect = Plan::parse("plan.yaml", text.as_bytes()).expect("a plan").expect;
        assert_eq!(expect.hosts["node1"].expect.ipoib, IpoibExpect { mode: None, mtu: Some(4092) });
        assert_eq!(expect.networks["san"].expect.ipoib, IpoibExpect { mode: Some(IpoibMode::Datagram), mtu: None });
        assert_eq!(expect.all.ipoib, IpoibExpect { mode: Some(IpoibMode::Connected), mtu: Some(65520) });
        assert_eq!(expect.all.sm.standby, Some(0));
    }
}
