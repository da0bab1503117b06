//! The networks: when each began, and at which heights it was upgraded to which versions.
//!
//! The one table of these facts. A height is the last epoch of the old version: what executes at it still runs by the
//! old rules, and the state it leaves is still of the old actors.
//!
//! Sources: Lotus (`build/buildconstants/params_{mainnet,calibnet,butterfly}.go` for heights,
//! `chain/consensus/filcns/upgrades.go` for network versions), compared with Forest (`src/networks`); genesis times and
//! CIDs are those of the genesis headers themselves. Solstice is as scheduled by Lotus v1.37.0.
//!
//! Upgrades that a network's configuration has at negative heights never ran there, and are left out.

use cid::Cid;

use crate::units::{Clock, Epoch};

/// Unix time of mainnet's epoch 0, 2020-08-24T22:00:00Z.
pub const MAINNET_GENESIS: i64 = 1_598_306_400;

/// A network whose genesis is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::VariantArray)]
pub enum Network {
    /// The main network.
    Mainnet,
    /// The calibration network, since its reset of November 2022.
    Calibnet,
    /// The test network for upgrades, since its reset of May 2026. It is reset for every upgrade; each reset is a
    /// chain of its own.
    Butterflynet,
    /// The same test network since its reset of September 2026, for Solstice. Of its genesis header only the CID is known
    /// here, and not the time.
    ButterflynetSolstice,
}

/// A network upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// Its name; `Genesis` for what the network began with.
    pub name: &'static str,
    /// Its height, the last epoch of the old version; 0 for what the network began with.
    pub epoch: Epoch,
    /// The network version from then on. Some upgrades leave it as it was.
    pub network_version: u32,
    /// The actors version from then on.
    pub actors_version: u8,
}

struct Facts {
    name: &'static str,
    /// Unix time of epoch 0, where that is known.
    genesis: Option<i64>,
    genesis_cid: &'static str,
    /// In order of height.
    upgrades: &'static [Upgrade],
}

/// Name, height, network version, actors version.
const fn row(name: &'static str, epoch: i64, network_version: u32, actors_version: u8) -> Upgrade {
    Upgrade { name, epoch: Epoch(epoch), network_version, actors_version }
}

static MAINNET: Facts = Facts {
    name: "mainnet",
    genesis: Some(MAINNET_GENESIS),
    genesis_cid: "bafy2bzacecnamqgqmifpluoeldx7zzglxcljo6oja4vrmtj7432rphldpdmm2",
    upgrades: &[
        row("Genesis", 0, 0, 1),
        row("Breeze", 41_280, 1, 1),
        row("Smoke", 51_000, 2, 1),
        row("Ignition", 94_000, 3, 1),
        row("Refuel", 130_800, 3, 1),
        row("Assembly", 138_720, 4, 2),
        row("Tape", 140_760, 5, 2),
        row("Liftoff", 148_888, 5, 2),
        row("Kumquat", 170_000, 6, 2),
        row("Calico", 265_200, 7, 2),
        row("Persian", 272_400, 8, 2),
        row("Orange", 336_458, 9, 2),
        row("Claus", 343_200, 9, 2),
        row("Trust", 550_321, 10, 3),
        row("Norwegian", 665_280, 11, 3),
        row("Turbo", 712_320, 12, 4),
        row("Hyperdrive", 892_800, 13, 5),
        row("Chocolate", 1_231_620, 14, 6),
        row("OhSnap", 1_594_680, 15, 7),
        row("Skyr", 1_960_320, 16, 8),
        row("Shark", 2_383_680, 17, 9),
        row("Hygge", 2_683_348, 18, 10),
        row("Lightning", 2_809_800, 19, 11),
        row("Thunder", 2_870_280, 20, 11),
        row("Watermelon", 3_469_380, 21, 12),
        row("Dragon", 3_855_360, 22, 13),
        row("Phoenix", 3_855_480, 22, 13),
        row("Waffle", 4_154_640, 23, 14),
        row("TukTuk", 4_461_240, 24, 15),
        row("Teep", 4_878_840, 25, 16),
        row("Tock", 5_138_040, 26, 16),
        row("GoldenWeek", 5_348_280, 27, 17),
        row("FireHorse", 6_052_800, 28, 18),
        row("Solstice", 6_470_279, 29, 19),
    ],
};

static CALIBNET: Facts = Facts {
    name: "calibnet",
    // 2022-11-01T18:13:00Z
    genesis: Some(1_667_326_380),
    genesis_cid: "bafy2bzacecyaggy24wol5ruvs6qm73gjibs2l2iyhcqmvi7r7a4ph7zx3yqd4",
    upgrades: &[
        row("Genesis", 0, 0, 1),
        row("Assembly", 30, 4, 2),
        row("Tape", 60, 5, 2),
        row("Kumquat", 90, 6, 2),
        row("Calico", 120, 7, 2),
        row("Persian", 240, 8, 2),
        row("Claus", 270, 8, 2),
        row("Orange", 300, 9, 2),
        row("Trust", 330, 10, 3),
        row("Norwegian", 360, 11, 3),
        row("Turbo", 390, 12, 4),
        row("Hyperdrive", 420, 13, 5),
        row("Chocolate", 450, 14, 6),
        row("OhSnap", 480, 15, 7),
        row("Skyr", 510, 16, 8),
        row("Shark", 16_800, 17, 9),
        row("Hygge", 322_354, 18, 10),
        row("Lightning", 489_094, 19, 11),
        row("Thunder", 492_214, 20, 11),
        row("Watermelon", 1_013_134, 21, 12),
        // The three kinds of fix replaced actors' code without a new version.
        row("WatermelonFix", 1_070_494, 21, 12),
        row("WatermelonFix2", 1_108_174, 21, 12),
        row("Dragon", 1_427_974, 22, 13),
        row("Phoenix", 1_428_094, 22, 13),
        row("DragonFix", 1_493_854, 22, 13),
        row("Waffle", 1_779_094, 23, 14),
        row("TukTuk", 2_078_794, 24, 15),
        row("Teep", 2_523_454, 25, 16),
        row("Tock", 2_543_614, 26, 16),
        row("TockFix", 2_558_014, 26, 16),
        row("GoldenWeek", 3_007_294, 27, 17),
        row("FireHorse", 3_694_534, 28, 18),
        row("Solstice", 4_109_133, 29, 19),
    ],
};

/// The reset for FireHorse, which began with GoldenWeek's versions.
static BUTTERFLYNET: Facts = Facts {
    name: "butterflynet",
    // 2026-05-05T06:37:00Z
    genesis: Some(1_777_963_020),
    genesis_cid: "bafy2bzacebt5wxzyrgizu2uunetxtkc6aom3ult236vviv2nseiwnquu6anha",
    upgrades: &[row("Genesis", 0, 27, 17), row("FireHorse", 1440, 28, 18)],
};

/// The reset for Solstice, which began with FireHorse's versions.
static BUTTERFLYNET_SOLSTICE: Facts = Facts {
    name: "butterflynet",
    genesis: None,
    genesis_cid: "bafy2bzaceb2fabrzsyyjgh7hbxzlwwtead6oiv7kilfxc4cqoxoqzce636jou",
    upgrades: &[row("Genesis", 0, 28, 18), row("Solstice", 6060, 29, 19)],
};

impl Network {
    /// All of them.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The network whose epoch 0 is at `genesis`, in unix seconds; `None` if none of these. A chain made elsewhere may
    /// share a network's clock and nothing else.
    #[must_use]
    pub fn with_genesis(genesis: i64) -> Option<Self> {
        Self::ALL.iter().copied().find(|network| network.genesis() == Some(genesis))
    }

    /// The network whose genesis header has that CID; `None` if none of these.
    #[must_use]
    pub fn with_genesis_cid(genesis: &Cid) -> Option<Self> {
        let genesis = genesis.to_string();
        Self::ALL.iter().copied().find(|network| network.genesis_cid() == genesis)
    }

    const fn facts(self) -> &'static Facts {
        match self {
            Self::Mainnet => &MAINNET,
            Self::Calibnet => &CALIBNET,
            Self::Butterflynet => &BUTTERFLYNET,
            Self::ButterflynetSolstice => &BUTTERFLYNET_SOLSTICE,
        }
    }

    /// `mainnet`, `calibnet` or `butterflynet`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// Unix time of its epoch 0, where that is known.
    #[must_use]
    pub const fn genesis(self) -> Option<i64> {
        self.facts().genesis
    }

    /// CID of its genesis header.
    #[must_use]
    pub const fn genesis_cid(self) -> &'static str {
        self.facts().genesis_cid
    }

    /// All that is known of its upgrades, in order; the first is what it began with, the last may lie ahead.
    #[must_use]
    pub const fn upgrades(self) -> &'static [Upgrade] {
        self.facts().upgrades
    }

    /// The upgrade whose rules `epoch` executes by, and by whose actors the state after it is; `None` before epoch 0.
    /// The state that a header names was left by its parent tipset, so it is that height to ask with.
    ///
    /// It is what a network's nodes agreed on, not what a chain at hand must hold: forks and devnets share clocks.
    ///
    /// ```
    /// use chain::{Epoch, Network};
    ///
    /// let upgrade = Network::Mainnet.upgrade_at(Epoch(2_383_681)).expect("after genesis");
    /// assert_eq!((upgrade.name, upgrade.network_version, upgrade.actors_version), ("Shark", 17, 9));
    /// ```
    #[must_use]
    pub fn upgrade_at(self, epoch: Epoch) -> Option<&'static Upgrade> {
        let begun_with = self.upgrades().first().filter(|genesis| genesis.epoch <= epoch)?;
        self.upgrades().iter().rev().find(|upgrade| upgrade.epoch < epoch).or(Some(begun_with))
    }

    /// The actors version at `epoch`; `None` before epoch 0, and past the last upgrade that is known: others may have
    /// followed.
    #[must_use]
    pub fn actors_version_at(self, epoch: Epoch) -> Option<u8> {
        self.upgrades().last().filter(|last| epoch <= last.epoch)?;
        self.upgrade_at(epoch).map(|upgrade| upgrade.actors_version)
    }
}

/// The name of the network whose epoch 0 the clock has; `unknown` for any other.
#[must_use]
pub fn network_of(clock: Clock) -> &'static str {
    Network::with_genesis(clock.genesis()).map_or("unknown", Network::name)
}

/// Describes a clock's network by its name and the unix time of its epoch 0.
#[must_use]
pub fn describe_network(clock: Clock) -> String {
    match Network::with_genesis(clock.genesis()) {
        Some(network) => format!("{} (epoch 0 at unix time {})", network.name(), clock.genesis()),
        None => format!("an unknown network (epoch 0 at unix time {})", clock.genesis()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_last_upgrade_that_is_known_the_actors_version_is_not() {
        let mainnet = |epoch| Network::Mainnet.actors_version_at(Epoch(epoch));
        assert_eq!([mainnet(0), mainnet(3_469_381), mainnet(6_470_279)], [Some(1), Some(12), Some(18)]);
        assert_eq!([mainnet(-1), mainnet(6_470_280)], [None, None]);
    }

    fn versions_at(network: Network, epoch: i64) -> Option<(&'static str, u32, u8)> {
        let upgrade = network.upgrade_at(Epoch(epoch))?;
        Some((upgrade.name, upgrade.network_version, upgrade.actors_version))
    }

    #[test]
    fn an_upgrades_height_is_the_last_epoch_of_the_old_version() {
        let mainnet = |epoch| versions_at(Network::Mainnet, epoch);
        assert_eq!(mainnet(-1), None);
        assert_eq!(mainnet(0), Some(("Genesis", 0, 1)));
        assert_eq!(mainnet(1), Some(("Genesis", 0, 1)));
        assert_eq!(mainnet(138_720), Some(("Refuel", 3, 1)));
        assert_eq!(mainnet(138_721), Some(("Assembly", 4, 2)));
        assert_eq!(mainnet(6_052_800), Some(("GoldenWeek", 27, 17)));
        assert_eq!(mainnet(6_052_801), Some(("FireHorse", 28, 18)));
        assert_eq!(versions_at(Network::Calibnet, 16_800), Some(("Skyr", 16, 8)));
        assert_eq!(versions_at(Network::Butterflynet, 0), Some(("Genesis", 27, 17)));
    }

    #[test]
    fn mainnet_came_to_each_actors_version_at_its_published_height() {
        let heights = [
            (2, 138_720),
            (3, 550_321),
            (4, 712_320),
            (5, 892_800),
            (6, 1_231_620),
            (7, 1_594_680),
            (8, 1_960_320),
            (9, 2_383_680),
            (10, 2_683_348),
            (11, 2_809_800),
            (12, 3_469_380),
            (13, 3_855_360),
            (14, 4_154_640),
            (15, 4_461_240),
            (16, 4_878_840),
            (17, 5_348_280),
            (18, 6_052_800),
        ];
        for (version, height) in heights {
            let first = Network::Mainnet.upgrades().iter().find(|upgrade| upgrade.actors_version == version);
            assert_eq!(first.map(|upgrade| upgrade.epoch), Some(Epoch(height)), "v{version}");
        }
    }

    #[test]
    fn heights_rise_and_versions_never_fall() {
        for network in Network::ALL {
            assert_eq!(network.upgrades().first().map(|upgrade| upgrade.epoch), Some(Epoch(0)));
            for pair in network.upgrades().windows(2) {
                let [old, new] = pair else { panic!("a pair") };
                let of = |upgrade: &Upgrade| (upgrade.network_version, upgrade.actors_version);
                assert!(new.epoch > old.epoch, "{} {}", network.name(), new.name);
                assert!(of(new).0 >= of(old).0 && of(new).1 >= of(old).1, "{} {}", network.name(), new.name);
            }
        }
    }

    #[test]
    fn an_upgrade_means_the_same_versions_on_every_network() {
        // But for Claus, which mainnet had after Orange and calibnet before it.
        let others = Network::ALL.iter().filter(|network| **network != Network::Mainnet);
        for upgrade in others.flat_map(|network| network.upgrades()) {
            let namesake = Network::Mainnet.upgrades().iter().find(|other| other.name == upgrade.name);
            if let Some(namesake) = namesake
                && !matches!(upgrade.name, "Genesis" | "Claus")
            {
                assert_eq!(upgrade.network_version, namesake.network_version, "{}", upgrade.name);
                assert_eq!(upgrade.actors_version, namesake.actors_version, "{}", upgrade.name);
            }
        }
    }

    #[test]
    fn an_unknown_genesis_is_no_network() {
        assert_eq!(Network::with_genesis(MAINNET_GENESIS), Some(Network::Mainnet));
        assert_eq!(Network::with_genesis(1_667_326_380), Some(Network::Calibnet));
        assert_eq!(Network::with_genesis(MAINNET_GENESIS + 30), None);
    }

    #[test]
    fn a_genesis_headers_cid_tells_the_network_and_each_reset_of_it() {
        for network in Network::ALL {
            let cid = network.genesis_cid().parse().unwrap();
            assert_eq!(Network::with_genesis_cid(&cid), Some(*network));
        }
        assert_eq!(Network::ButterflynetSolstice.name(), Network::Butterflynet.name());
        assert_eq!(versions_at(Network::ButterflynetSolstice, 6060), Some(("Genesis", 28, 18)));
        assert_eq!(versions_at(Network::ButterflynetSolstice, 6061), Some(("Solstice", 29, 19)));
    }
}
