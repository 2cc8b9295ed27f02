//! Responsible parties (责任主体) as options: shared by `trace`, `case plan` and `case party`.

use clap::Args;
use outlet_core::domain::field::Party;
use outlet_core::domain::party::Uscc;
use outlet_core::ids::BlobHash;

use crate::error::{CommandError, Result};
use crate::ui::Warning;

/// The primary responsible party.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Responsible party (责任主体)")]
pub(crate) struct PartyArgs {
    /// Name. Never a natural person's phone or ID number: those go into `attach --kind personal`.
    #[arg(long)]
    party_name: Option<String>,
    /// 统一社会信用代码, 18 characters; its check digit is verified.
    #[arg(long, requires = "party_name")]
    party_uscc: Option<String>,
    /// Discharge permit or registration number.
    #[arg(long, requires = "party_name")]
    party_permit: Option<String>,
    /// Industry.
    #[arg(long, requires = "party_name")]
    party_industry: Option<String>,
    /// Address.
    #[arg(long, requires = "party_name")]
    party_address: Option<String>,
    /// SHA-256 of a `personal` attachment with the contact.
    #[arg(long, requires = "party_name")]
    party_contact: Option<BlobHash>,
    /// A government as fallback (政府兜底).
    #[arg(long, requires = "party_name")]
    party_fallback: bool,
}

impl PartyArgs {
    /// The party, if one is named; a wrong check digit warns.
    pub(crate) fn party(&self, warnings: &mut Vec<Warning>) -> Result<Option<Party>> {
        let Some(name) = &self.party_name else { return Ok(None) };
        let party = Party {
            name: name.trim().to_owned(),
            uscc: self.party_uscc.as_deref().map(crate::input::half_width),
            permit_number: self.party_permit.clone(),
            industry: self.party_industry.clone(),
            address: self.party_address.clone(),
            government_fallback: self.party_fallback,
            contact: self.party_contact,
        };
        check(&party, warnings)?;
        Ok(Some(party))
    }
}

/// `NAME[:USCC[:PERMIT]]`.
pub(crate) fn parse_party(text: &str, warnings: &mut Vec<Warning>) -> Result<Party> {
    let mut parts = text.splitn(3, [':', '：']).map(str::trim);
    let mut next = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
    let party = Party { name: next().unwrap_or_default(), uscc: next(), permit_number: next(), ..Party::default() };
    check(&party, warnings)?;
    Ok(party)
}

fn check(party: &Party, warnings: &mut Vec<Warning>) -> Result<()> {
    if party.name.trim().is_empty() {
        return Err(
            CommandError::user("a responsible party needs a name").hint("write NAME, NAME:USCC or NAME:USCC:PERMIT")
        );
    }
    // Wrong numbers are kept as they were found on paper: a warning asks to look again.
    if let Some(Err(error)) = party.uscc.as_deref().map(str::parse::<Uscc>) {
        warnings.push(Warning::new("uscc_invalid", format!("{error}.")));
    }
    Ok(())
}
