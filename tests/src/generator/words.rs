//! Tables that generated inventories draw from: types with their weights and what goes with each.
//! Names of enterprises and people are invented.

/// A type with what usually goes with it.
pub(super) struct Kind {
    /// Code of the current class scheme.
    pub(super) code: &'static str,
    /// Weight in the mix.
    pub(super) weight: u32,
    /// Proposed classes, the usual one first.
    pub(super) classes: &'static [&'static str],
    /// Kinds of water.
    pub(super) water: &'static str,
    /// What stands behind it, for the name.
    pub(super) landmarks: &'static [&'static str],
    /// Usual flow in m3/d, from and to.
    pub(super) flow: (f64, f64),
}

const VILLAGE: &[&str] = &["村委会", "老街", "桥头", "小学旁", "二组", "五组", "新居聚居点", "水井湾", "大院子"];
const TOWN: &[&str] = &["农贸市场", "卫生院", "中心小学", "加油站后", "滨河路", "汽车站", "老桥", "文化广场", "粮站"];
const WORKS: &[&str] = &["东兴食品厂", "恒源建材厂", "川北酒业", "长岭矿业", "兴达纸品厂", "瑞丰屠宰场", "宏发砖厂"];
const FARMS: &[&str] = &["绿源养殖场", "金堂沟养猪场", "柳林养殖合作社", "清水湾鱼塘", "青山家庭农场"];
const PLANT: &[&str] = &["污水处理厂", "第二污水处理厂"];

/// The mix of a hilly city: mostly small rural and storm outlets.
pub(super) const KINDS: [Kind; 14] = [
    Kind {
        code: "rural_domestic_scattered",
        weight: 22,
        classes: &["merge", "regulate", "ban"],
        water: "rural_sewage",
        landmarks: VILLAGE,
        flow: (1.0, 40.0),
    },
    Kind {
        code: "urban_storm",
        weight: 20,
        classes: &["none_needed", "regulate"],
        water: "rain_collection",
        landmarks: TOWN,
        flow: (0.0, 60.0),
    },
    Kind {
        code: "urban_domestic_scattered",
        weight: 14,
        classes: &["merge", "ban"],
        water: "urban_sewage",
        landmarks: TOWN,
        flow: (5.0, 280.0),
    },
    Kind {
        code: "rural_facility",
        weight: 12,
        classes: &["regulate", "none_needed"],
        water: "rural_sewage",
        landmarks: VILLAGE,
        flow: (10.0, 120.0),
    },
    Kind {
        code: "industrial_enterprise",
        weight: 7,
        classes: &["regulate", "merge", "ban"],
        water: "industrial_wastewater",
        landmarks: WORKS,
        flow: (20.0, 1500.0),
    },
    Kind {
        code: "urban_wwtp",
        weight: 5,
        classes: &["regulate"],
        water: "urban_sewage",
        landmarks: PLANT,
        flow: (300.0, 20_000.0),
    },
    Kind {
        code: "livestock_small",
        weight: 5,
        classes: &["ban", "regulate"],
        water: "livestock",
        landmarks: FARMS,
        flow: (1.0, 20.0),
    },
    Kind {
        code: "livestock_large",
        weight: 4,
        classes: &["regulate", "ban"],
        water: "livestock",
        landmarks: FARMS,
        flow: (10.0, 150.0),
    },
    Kind {
        code: "aquaculture_small",
        weight: 3,
        classes: &["merge", "regulate"],
        water: "aquaculture",
        landmarks: FARMS,
        flow: (5.0, 80.0),
    },
    Kind {
        code: "aquaculture_large",
        weight: 2,
        classes: &["regulate"],
        water: "aquaculture",
        landmarks: FARMS,
        flow: (50.0, 600.0),
    },
    Kind {
        code: "irrigation_district",
        weight: 2,
        classes: &["none_needed"],
        water: "field_return",
        landmarks: VILLAGE,
        flow: (20.0, 900.0),
    },
    Kind {
        code: "other_outlet",
        weight: 2,
        classes: &["regulate", "undecided"],
        water: "other",
        landmarks: TOWN,
        flow: (1.0, 50.0),
    },
    Kind {
        code: "industrial_enterprise_storm",
        weight: 1,
        classes: &["none_needed"],
        water: "surface_runoff",
        landmarks: WORKS,
        flow: (0.0, 90.0),
    },
    Kind {
        code: "park_wwtp",
        weight: 1,
        classes: &["regulate"],
        water: "industrial_wastewater",
        landmarks: PLANT,
        flow: (300.0, 5000.0),
    },
];

/// Rivers near the seat of each county.
pub(super) const RIVERS: [(&str, &[&str]); 5] = [
    ("511902", &["巴河", "水宁河", "奇章河"]),
    ("511903", &["恩阳河", "鳌溪河"]),
    ("511921", &["通江河", "小通江河", "诺水河"]),
    ("511922", &["南江河", "神潭河"]),
    ("511923", &["巴河", "驷马河", "澌滩河"]),
];

pub(super) const DIRECTIONS: [&str; 8] = ["东", "南", "西", "北", "东南", "西南", "东北", "西北"];
pub(super) const PEOPLE: [&str; 8] =
    ["勘查员甲", "勘查员乙", "勘查员丙", "勘查员丁", "监测员甲", "监测员乙", "监测员丙", "监测员丁"];
pub(super) const CAMERAS: [(&str, &str); 4] =
    [("Generated", "Phone 5"), ("Generated", "Phone 7 Pro"), ("Bankside", "Rugged 2"), ("Bankside", "Tablet")];
