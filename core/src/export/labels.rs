//! Labels of columns, states, conditions and findings in both languages: one table for files and
//! pages. Terms of forms are in [`crate::domain::dictionary`].

use crate::domain::dictionary::Lang;

/// Code, Chinese, English.
type Label = (&'static str, &'static str, &'static str);

const HEADERS: &[Label] = &[
    ("id", "排口标识", "id"),
    ("national_code", "排污口编码（国家）", "national code"),
    ("provincial_code", "排污口编码（省级）", "provincial code"),
    ("temporary_number", "临时编号", "temporary number"),
    ("number", "编号", "number"),
    ("name", "排污口名称", "name"),
    ("lon", "经度（WGS-84）", "longitude"),
    ("lat", "纬度（WGS-84）", "latitude"),
    ("county", "县（区）", "county"),
    ("township", "乡镇（街道）", "township"),
    ("waterbody", "受纳水体", "receiving water"),
    ("classification", "整治类型", "classification"),
    ("classification_proposed", "建议整治类型", "classification proposed"),
    ("decided_on", "定类日期", "decided on"),
    ("decision_document", "定类文号", "decision document"),
    ("review_state", "审核状态", "review state"),
    ("entry_mode", "入河方式", "entry mode"),
    ("discharge_pattern", "排放规律", "discharge pattern"),
    ("scale", "规模", "scale"),
    ("scale_basis", "规模依据", "basis of the scale"),
    ("primary_party", "主要责任主体", "primary responsible party"),
    ("competent_department", "主管部门", "competent department"),
    ("problem_count", "未整改问题数", "open problems"),
    ("collection", "归集编码", "collection"),
    ("state", "状态", "state"),
    ("outlet_type", "排污口类型", "outlet type"),
    ("bank", "岸别", "bank"),
    ("management_unit", "管理单元", "management unit"),
    ("basin", "流域", "basin"),
    ("water_function_zone", "水功能区", "water function zone"),
    ("control_unit", "控制单元", "control unit"),
    ("section", "断面", "section"),
    ("village", "村（社区）", "village"),
    ("address", "地址", "address"),
    ("datum", "原始坐标系", "datum as given"),
    ("accuracy_m", "定位精度（米）", "accuracy in metres"),
    ("surveyed_on", "最近排查日期", "last survey"),
    ("discharge_state", "排水特征", "discharge state"),
    ("dry_weather_discharge", "是否晴天排水", "discharging in dry weather"),
    ("sampled_on", "最近监测日期", "last sample"),
    ("traced_on", "溯源完成日期", "traced on"),
    ("party", "责任主体", "responsible party"),
    ("party_uscc", "统一社会信用代码", "credit code"),
    ("party_permit", "排污许可证号", "permit number"),
    ("other_parties", "其他责任主体", "other parties"),
    ("industry", "行业类别", "industry"),
    ("government_fallback", "政府兜底", "government as fallback"),
    ("primary_of", "作为主要责任主体的排口数", "outlets as primary party"),
    ("shares", "共用排口数", "outlets shared"),
    ("outlets", "排口数", "outlets"),
    ("approval_status", "审批状态", "approval status"),
    ("set_up", "设置类型", "set-up"),
    ("exists_from", "启用日期", "exists since"),
    ("plan_due", "整治时限", "plan due"),
    ("measures", "整治措施", "measures"),
    ("completed_on", "整治完成日期", "completed on"),
    ("accepted_on", "验收日期", "accepted on"),
    ("reopened_on", "复发日期", "re-opened on"),
    ("sign_state", "标识牌状态", "sign"),
    ("sign_on", "立牌日期", "sign erected on"),
    ("extended_until", "延期至", "extended until"),
    ("extension_document", "延期文号", "extension document"),
    ("merged_into", "合并去向", "merged into"),
    ("duplicate_of", "重复记录", "duplicate of"),
    ("ledger", "台账", "ledger"),
    ("problem_list", "问题清单", "problem list"),
    ("problems", "存在问题", "problems"),
    ("problem", "问题", "problem"),
    ("problem_state", "整改情况", "problem state"),
    ("found_on", "发现日期", "found on"),
    ("due", "整改时限", "due"),
    ("closed_on", "整改完成日期", "closed on"),
    ("photos", "照片数", "photos"),
    ("attachments", "附件数", "attachments"),
    ("conflicts", "冲突字段", "conflicts"),
    ("amended", "审核后修改的字段", "amended since approval"),
    ("finding_count", "提示数", "findings"),
    ("group", "分组", "group"),
    ("location", "位置", "position"),
    ("type_scheme", "类型体系", "scheme of the type"),
    ("shape", "口门形状", "shape of the mouth"),
    ("material", "管道材质", "material"),
    ("size", "尺寸（毫米）", "size in mm"),
    ("mouth", "口门状态", "state of the mouth"),
    ("volume_m3_per_day", "排放量（m³/日）", "volume in m³ per day"),
    ("volume_m3_per_year", "排放量（m³/年）", "volume in m³ per year"),
    ("permit_number", "排污许可证号", "permit number"),
    ("permit_discharge_point", "许可证排放口编号", "discharge point of the permit"),
    ("discharge_standard", "排放标准", "discharge standard"),
    ("reach", "河段与河长", "reach and its chief"),
    ("remark", "备注", "remark"),
    ("hotline", "监督电话", "hotline"),
    ("suspected", "疑似排口数", "suspected"),
    ("above_scale", "规模以上", "above scale"),
    ("ban", "取缔", "ban"),
    ("merge", "合并", "merge"),
    ("regulate", "规范", "regulate"),
    ("none_needed", "无需整治", "none needed"),
    ("undecided", "未定", "undecided"),
];

const LABELS: &[Label] = &[
    // Life cycle and review.
    ("suspected", "疑似", "suspected"),
    ("needs_level_3", "三级排查", "needs a level-3 survey"),
    ("not_an_outlet", "非排口", "not an outlet"),
    ("surveying", "排查中", "surveying"),
    ("submitted", "待审", "submitted"),
    ("listed", "已入账", "listed"),
    ("duplicate", "重复", "duplicate"),
    ("moved", "已移交", "moved"),
    ("decided", "已定类", "class decided"),
    ("plan_approved", "方案已批", "plan approved"),
    ("rectifying", "整治中", "rectifying"),
    ("completion_reported", "待验收", "completion reported"),
    ("county_passed", "县级初验通过", "passed by the county"),
    ("rejected", "验收不通过", "rejected"),
    ("accepted", "已销号", "accepted"),
    ("in_service", "在管", "in service"),
    ("closed", "已关闭", "closed"),
    ("reopened", "复发", "re-opened"),
    ("draft", "未提交", "draft"),
    ("returned", "已退回", "returned"),
    ("partly_approved", "部分通过", "partly approved"),
    ("approved", "已通过", "approved"),
    ("approved_amended", "已通过，后有修改", "approved, amended since"),
    ("gated", "审核意见冲突", "conflicting reviews"),
    ("open", "未整改", "open"),
    ("none", "无", "none"),
    ("yes", "是", "yes"),
    ("no", "否", "no"),
    ("cannot_determine", "无法确定", "cannot determine"),
    ("sign_damaged", "标识牌损坏或缺失", "sign damaged or missing"),
    ("511902", "巴州区", "Bazhou"),
    ("511903", "恩阳区", "Enyang"),
    ("511921", "通江县", "Tongjiang"),
    ("511922", "南江县", "Nanjiang"),
    ("511923", "平昌县", "Pingchang"),
    ("511971", "巴中经开区", "Bazhong economic zone"),
    ("5119", "巴中市", "Bazhong"),
    ("000000", "参考资料", "reference data"),
    ("wgs84", "WGS-84（GPS）", "WGS-84 (GPS)"),
    ("cgcs2000", "CGCS2000（测绘）", "CGCS2000 (survey)"),
    ("gcj02", "GCJ-02（高德、腾讯）", "GCJ-02 (Amap, Tencent)"),
    ("bd09", "BD-09（百度）", "BD-09 (Baidu)"),
    // Conditions.
    ("survey", "排查", "survey"),
    ("sample", "监测", "sample"),
    ("trace", "溯源", "tracing"),
    ("class", "定类", "class decided"),
    ("mouth_closed", "口门拆除或封堵", "mouth removed or sealed"),
    ("mouth_sealed", "原口封堵", "old mouth sealed"),
    ("source_ended", "污染源停排或改道", "source stopped or redirected"),
    ("after_photos", "整治后照片", "photos after the works"),
    ("dry_recheck", "晴天复查无排水", "dry-weather re-check without discharge"),
    ("connected", "已接入", "connected"),
    ("merged_into", "合并去向", "merged into"),
    ("measures", "一口一策措施", "measures of the plan"),
    ("construction", "规范化建设", "standard construction"),
    ("archive", "档案", "archive"),
    ("name", "命名", "name"),
    ("code", "编码", "code"),
    ("sign", "标识牌", "sign"),
    // What is missing.
    ("survey_visit", "需现场排查", "a visit"),
    ("survey_date", "排查日期缺失", "the day of the visit"),
    ("position", "定位缺失", "a position"),
    ("outlet_type", "类型未填", "the outlet type"),
    ("entry_mode", "入河方式未填", "the entry mode"),
    ("discharge_state", "排水特征未填", "the discharge state"),
    ("photo_near", "近景照片", "a near photo"),
    ("photo_surroundings", "周边环境照片", "a photo of the surroundings"),
    ("photos", "照片不足", "more photos"),
    ("result_pending", "结果未出", "a result: sampled, pending"),
    ("report_date", "报告日期缺失", "the date of the report"),
    ("sample_date", "监测日期缺失", "the day of sampling"),
    ("visit_date", "到场日期缺失", "the day of the visit"),
    ("visit_photo", "到场照片", "a photo of the visit"),
    ("no_sample_reason", "未采样原因", "the reason for no sample"),
    ("dry_weather_visit", "需晴天到场", "a visit in dry weather"),
    ("source", "污染源", "the source"),
    ("primary_party", "主要责任主体", "the primary responsible party"),
    ("designating_document", "指定文件", "the designating document"),
    ("difficult", "溯源疑难", "a conclusion: tracing is difficult"),
    ("conclusion", "溯源结论", "a conclusion"),
    ("class_document", "定类文号", "the document of the class decision"),
    ("government_document", "政府文件", "the government's own document"),
    ("completion", "整治完成报告", "a completion report"),
    ("completion_date", "完成日期", "the completion date"),
    ("county_check", "县级初验", "the county's first check"),
    ("city_acceptance", "市级验收", "the city's acceptance"),
    ("acceptance_rejected", "验收不通过", "a new completion: acceptance was refused"),
    ("plan", "一口一策方案", "a plan"),
    ("plan_approval", "方案待批", "approval of the plan"),
    ("plan_measures", "方案无措施", "measures in the plan"),
    ("archive_date", "档案日期", "the date of the archive"),
    ("code_cancelled", "编码已注销", "a code: the last one was cancelled"),
    ("sign_ordered", "标识牌已制作未树立", "the sign to be erected"),
    ("sign_photo", "标识牌照片", "a photo of the sign"),
    ("sign_date", "立牌日期", "the day the sign was erected"),
    // Milestones.
    ("on_time", "按时完成", "on time"),
    ("late", "逾期完成", "late"),
    ("due", "未到期", "due"),
    ("overdue", "逾期", "overdue"),
    ("outstanding", "未完成", "outstanding"),
    ("extended", "已延期", "extended"),
    ("exempt", "不适用", "exempt"),
    ("behind", "未达标", "behind"),
    ("documents_missing", "缺台账或问题清单", "documents missing"),
    ("scale_undetermined", "规模待定", "scale undetermined"),
    ("not_applicable", "不适用", "not applicable"),
    ("as_known_now", "按现有认识", "as known now"),
    ("as_reported", "按当时台账", "as reported then"),
    ("contemporaneous", "当时留痕", "contemporaneous"),
    ("documented", "有文件佐证", "documented"),
    ("asserted", "仅有填报日期", "asserted"),
    // Why a record is not counted.
    ("open_suspect", "疑似，未排除", "an open suspect"),
    ("not_known_then", "当时尚未入账", "not known then"),
    ("set_up_after", "节点之后新设", "set up after"),
    ("below_scale", "规模以下", "below scale"),
    ("in", "计入", "counted"),
    // Findings.
    ("unknown_entry", "本版本不认识的内容（已保留）", "an entry of a newer version (kept)"),
    ("decision_unknown_author", "决定人不在名册中", "decided by somebody the roster does not know"),
    ("decision_wrong_level", "决定人级别不够，未采用", "decided by the wrong role or level; ignored"),
    ("decision_by_author", "决定人是本记录的填报人，未采用", "decided by an author of the record; ignored"),
    ("accepted_by_reporter", "验收人是完工申报人，未采用", "accepted by whoever reported completion; ignored"),
    ("overrules_higher_level", "推翻了上级的决定，未采用", "overrules a higher level; ignored"),
    ("concurrent_decisions", "两个决定互不知情，待选定", "two decisions that have not seen each other"),
    ("approval_without_heads", "审核未指明版本，未采用", "an approval that names no version"),
    ("approval_heads_unknown", "审核所指的版本不在服务器上", "an approval of a version that is not here"),
    ("approval_over_conflict", "有未裁定的冲突，审核未采用", "an approval over an open conflict; ignored"),
    ("conflict", "事实互相矛盾", "contradicting values"),
    ("asserted_after_decision", "裁定之后又有新的填报", "asserted after the decision on it"),
    ("amended_since", "审核后有修改，台账仍为审核通过的值", "amended since the approval"),
    ("not_an_outlet_incomplete", "认定非排口缺少原因或照片", "not an outlet, without reason or photo"),
    ("ban_without_government_document", "取缔缺少政府文件", "a ban without the government's document"),
    ("class_without_document", "定类缺少文件", "a class decision without a document"),
    ("legal_basis_not_in_force", "所引法律依据在决定日未生效", "a legal basis not in force on that day"),
    ("accepted_without_county_check", "验收前没有县级初验", "accepted before the county's first check"),
    ("decision_without_completion", "验收前没有完工申报", "checked without a completion"),
    ("scale_mismatch", "规模与流量数据不符", "scale and figures disagree"),
    ("reopen_proposed", "检查不合格，建议重新启动整治", "failed inspection: re-opening proposed"),
    ("dry_weather_after_rain", "雨后填写了晴天排水", "dry-weather discharge answered after rain"),
    ("unknown_township", "乡镇不在名录中", "a township that is not in the table"),
    ("township_not_in_county", "乡镇不属于该县（区）", "the township lies in another county"),
    ("unknown_value", "不在字典中的值", "a value that is not in the dictionary"),
    ("county_assumed", "未填县（区），按归集编码", "no county recorded: the collection's is used"),
    ("no_position", "没有可用的定位", "no usable position"),
    ("code_malformed", "编码格式不对", "a code of the wrong shape"),
    ("code_inconsistent", "编码与县（区）或类型不一致", "a code of another county or type"),
    ("name_odd", "名称不规范", "an odd name"),
    ("party_code_invalid", "信用代码或许可证号有误", "a mistyped credit code or permit number"),
    ("merged_into_unknown", "合并去向不在台账中", "merged into a record that is not in the ledger"),
    ("sample_one_person", "监测人少于两人", "a sample by fewer than two persons"),
    ("duplicate_of_unknown", "重复记录的对象不在台账中", "duplicate of a record that is not in the ledger"),
    ("sign_outdated", "标识牌内容与现名称、编码或监管单位不一致", "the sign says another name, code or department"),
    ("plan_due_too_late", "整治时限晚于节点且未延期", "due after the milestone without an extension"),
    ("known_from_without_date", "历史资料没有日期", "a known date without a dated document"),
    ("known_from_not_approved", "历史资料未经核准", "a known date that nobody approved"),
    ("extension_without_document", "延期缺少文号", "an extension without a document"),
    ("exemption_unknown", "没有这项豁免，未采用", "an exemption that the set does not have; ignored"),
];

/// Label of a column; an unknown code is shown as it is.
#[must_use]
pub fn header(code: &str, lang: Lang) -> &str {
    find(HEADERS, code, lang).unwrap_or(code)
}

/// Label of a state, condition or missing item; an unknown code is shown as it is.
#[must_use]
pub fn label(code: &str, lang: Lang) -> &str {
    find(LABELS, code, lang).or_else(|| find(HEADERS, code, lang)).unwrap_or(code)
}

fn find(table: &'static [Label], code: &str, lang: Lang) -> Option<&'static str> {
    let (_, zh, en) = table.iter().find(|(own, ..)| *own == code)?;
    Some(match lang {
        Lang::Zh => zh,
        Lang::En => en,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::COLUMNS;

    #[test]
    fn every_column_has_a_label_and_no_code_has_two() {
        for column in COLUMNS {
            assert_ne!(header(column.code, Lang::Zh), column.code);
        }
        for table in [HEADERS, LABELS] {
            let mut codes: Vec<_> = table.iter().map(|(code, ..)| code).collect();
            codes.sort();
            let all = codes.len();
            codes.dedup();
            assert_eq!(codes.len(), all);
        }
    }

    #[test]
    fn every_finding_and_fact_has_a_label() {
        let findings = include_str!("../ledger/findings.rs");
        let codes = findings.split("&str = \"").skip(1).filter_map(|rest| rest.split('"').next());
        let facts = crate::domain::field::fact::GATED.into_iter();
        for code in codes.chain(facts) {
            assert_ne!(label(code, Lang::Zh), code);
        }
    }

    #[test]
    fn every_condition_has_a_label() {
        let set = crate::ledger::MilestoneSet::parse(crate::ledger::BAZHONG).unwrap();
        for condition in set.milestones.iter().flat_map(|milestone| milestone.requires.values().flatten()) {
            assert_ne!(label(condition.code(), Lang::Zh), condition.code(), "{condition:?}");
        }
    }
}
