//! Certificates, roster, receipts and runs: each refusal, and the released encodings.

use std::collections::BTreeSet;

use super::*;
use crate::ids::{BlobHash, ChangeHash, Collection, Digest, DocKey, DocKind, Epoch, OutletId, PersonId, PublicKey};
use crate::time::Timestamp;

fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes([seed; 32])
}

fn root() -> SecretKey {
    key(200)
}

fn server() -> SecretKey {
    key(1)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_600_000_000_000 + seconds * 1000)
}

fn county(code: u32) -> Collection {
    Collection::from_code(code).unwrap()
}

fn grant(of: &SecretKey, serial: u64, standing: ServerStanding) -> ServerCert {
    let (key, name, issued_at) = (of.public(), "巴中市".to_owned(), at(0));
    ServerCert::sign(&root(), ServerGrant { key, name, issued_at, serial, standing })
}

fn member(of: u8, role: Role, serial: u64) -> Membership {
    Membership {
        key: key(of).public(),
        person: PersonId([of; 16]),
        name: "李明".to_owned(),
        role,
        level: (role >= Role::Supervisor).then_some(Level::County),
        collections: BTreeSet::from([county(511_902), county(511_903)]),
        not_before: at(0),
        not_after: at(1000),
        serial,
    }
}

fn cert(of: u8, role: Role, serial: u64) -> Certificate {
    Certificate::sign(&server(), member(of, role, serial))
}

fn revocation(of: u8, seconds: i64) -> SignedRevocation {
    let (reason, who) = ("手机丢失".to_owned(), "admin".to_owned());
    SignedRevocation::sign(&server(), Revocation { key: key(of).public(), at: at(seconds), reason, who })
}

fn roster() -> Roster {
    let mut roster = Roster::new(root().public());
    assert!(roster.add_server(&grant(&server(), 1, ServerStanding::Active)).unwrap());
    roster
}

fn doc() -> DocKey {
    let id = OutletId(uuid::Uuid::from_bytes([7; 16]));
    DocKey { kind: DocKind::Field, collection: county(511_902), id }
}

#[test]
fn a_roster_believes_the_root_then_its_servers_then_their_members() {
    let mut roster = roster();
    assert!(roster.is_server(&server().public()));
    assert!(roster.add(&cert(5, Role::Inspector, 1)).unwrap());
    assert!(!roster.add(&cert(5, Role::Inspector, 1)).unwrap(), "known already");
    let membership = roster.membership(&key(5).public()).unwrap();
    assert_eq!((membership.role, membership.name.as_str()), (Role::Inspector, "李明"));
    assert!(membership.reads(county(511_902)) && membership.reads(Collection::REFERENCE));
    assert!(!membership.reads(county(511_904)));
    assert!(roster.membership(&key(6).public()).is_none());
}

#[test]
fn only_the_pinned_root_vouches_for_servers() {
    let forged = ServerCert::sign(&key(201), grant(&key(2), 1, ServerStanding::Active).into_value());
    assert!(matches!(roster().add_server(&forged), Err(IdentityError::NotTheRoot { .. })));
    let mut bytes = grant(&key(2), 1, ServerStanding::Active).to_bytes();
    *bytes.last_mut().unwrap() ^= 1;
    let bent = ServerCert::from_bytes(&bytes).unwrap();
    assert!(matches!(roster().add_server(&bent), Err(IdentityError::BadSignature { .. })));
}

#[test]
fn a_membership_counts_only_with_the_signature_of_a_known_server() {
    let by_stranger = Certificate::sign(&key(2), member(5, Role::Admin, 1));
    assert!(matches!(roster().add(&by_stranger), Err(IdentityError::UnknownServer(_))));
    let by_itself = Certificate::sign(&key(5), member(5, Role::Admin, 1));
    assert!(matches!(roster().add(&by_itself), Err(IdentityError::UnknownServer(_))));
    let honest = cert(5, Role::Inspector, 1);
    let role = honest.body().windows(2).position(|pair| pair == [0x03, 0x01]).unwrap();
    let mut bytes = honest.to_bytes();
    let offset = bytes.windows(honest.body().len()).position(|window| window == honest.body()).unwrap();
    bytes[offset + role + 1] = 3;
    let promoted = Certificate::from_bytes(&bytes).unwrap();
    assert_eq!(promoted.value().role, Role::Admin);
    assert!(matches!(roster().add(&promoted), Err(IdentityError::BadSignature { .. })));
}

#[test]
fn a_server_certificate_is_no_membership() {
    let confused = Certificate::from_bytes(&grant(&server(), 1, ServerStanding::Active).to_bytes());
    assert!(confused.is_err());
    // Even where the content would parse as another kind, the purpose is signed.
    let body = member(5, Role::Admin, 1);
    let signature = server().sign(Purpose::Receipt, Certificate::sign(&server(), body.clone()).body());
    let right = Certificate::sign(&server(), body);
    let mut bytes = right.to_bytes();
    let start = bytes.len() - 64;
    bytes[start..].copy_from_slice(&signature.0);
    assert!(matches!(roster().add(&Certificate::from_bytes(&bytes).unwrap()), Err(IdentityError::BadSignature { .. })));
}

#[test]
fn the_membership_of_a_moment_is_the_last_one_given_by_then() {
    let given = |role, serial, seconds: i64| {
        let not_before = at(seconds).plus_millis(-Membership::BACKDATED_MS);
        Certificate::sign(&server(), Membership { not_before, ..member(5, role, serial) })
    };
    let mut roster = roster();
    roster.add(&given(Role::Viewer, 9, 300)).unwrap();
    roster.add(&given(Role::Supervisor, 7, 100)).unwrap();
    let role = |roster: &Roster, seconds| roster.membership_at(&key(5).public(), at(seconds)).unwrap().role;
    let seen = [50, 100, 299, 300].map(|seconds| role(&roster, seconds));
    assert_eq!(seen, [Role::Supervisor, Role::Supervisor, Role::Supervisor, Role::Viewer]);
    // A later one that covers both leaves nothing of them.
    roster.add(&given(Role::Supervisor, 10, 400)).unwrap();
    assert_eq!(role(&roster, 200), Role::Supervisor);
    assert!(roster.membership_at(&key(6).public(), at(200)).is_none());
}

#[test]
fn the_larger_serial_holds_and_a_demotion_keeps_the_timeless_right() {
    let (first, second) = (cert(5, Role::Supervisor, 1), cert(5, Role::Inspector, 2));
    for order in [[&first, &second], [&second, &first]] {
        let mut roster = roster();
        for cert in order {
            roster.add(cert).unwrap();
        }
        assert_eq!(roster.membership(&key(5).public()).unwrap().role, Role::Inspector);
        let ever: Vec<_> = roster.grants(&key(5).public()).map(|membership| membership.role).collect();
        assert_eq!(ever, [Role::Supervisor, Role::Inspector]);
    }
}

#[test]
fn renewals_do_not_pile_up() {
    let mut roster = roster();
    for serial in 1..20 {
        roster.add(&cert(5, Role::Inspector, serial)).unwrap();
    }
    assert_eq!(roster.grants(&key(5).public()).count(), 1);
    assert_eq!(roster.certificates().count(), 1);
    assert_eq!(roster.membership(&key(5).public()).unwrap().serial, 19);
}

#[test]
fn a_revocation_keeps_what_the_server_had_and_holds_what_comes_later() {
    let mut roster = roster();
    roster.add(&cert(5, Role::Inspector, 1)).unwrap();
    assert!(roster.may_connect(&key(5).public(), at(10)).is_ok());
    assert!(roster.revoke(&revocation(5, 100)).unwrap());
    assert!(!roster.revoke(&revocation(5, 200)).unwrap(), "the earliest moment holds");
    assert!(roster.check_receipt(&key(5).public(), at(99)).is_ok());
    for later in [100, 5000] {
        let held = roster.check_receipt(&key(5).public(), at(later));
        assert!(matches!(held, Err(IdentityError::Revoked { since, .. }) if since == at(100)), "{later}");
    }
    let refused = roster.may_connect(&key(5).public(), at(10)).unwrap_err();
    assert!(matches!(refused, IdentityError::Revoked { .. }));
    assert_eq!(roster.grants(&key(5).public()).count(), 1, "what was admitted stays admissible");

    let mut forged = SignedRevocation::sign(&key(5), revocation(6, 1).into_value());
    assert!(roster.revoke(&forged).is_err());
    forged = revocation(6, 1);
    assert!(roster.revoke(&forged).unwrap(), "a revocation may come before the membership");
}

#[test]
fn validity_limits_sessions_and_never_old_work() {
    let mut roster = roster();
    roster.add(&cert(5, Role::Inspector, 1)).unwrap();
    for outside in [-1, 1000] {
        let refused = roster.may_connect(&key(5).public(), at(outside)).unwrap_err();
        assert!(matches!(refused, IdentityError::OutsideValidity { .. }), "{outside}");
    }
    assert!(roster.check_receipt(&key(5).public(), at(5000)).is_ok());
    assert!(matches!(roster.may_connect(&key(6).public(), at(1)), Err(IdentityError::NotAMember(_))));
    assert!(matches!(roster.check_receipt(&key(6).public(), at(1)), Err(IdentityError::NotAMember(_))));
}

#[test]
fn a_rotated_server_key_leaves_what_it_signed_and_a_compromised_one_does_not() {
    let mut roster = roster();
    roster.add(&cert(5, Role::Inspector, 1)).unwrap();
    roster.add_server(&grant(&key(2), 1, ServerStanding::Active)).unwrap();
    roster.add_server(&grant(&server(), 2, ServerStanding::Retired)).unwrap();
    assert_eq!(roster.active_servers(), BTreeSet::from([key(2).public()]));
    assert!(roster.membership(&key(5).public()).is_some());
    assert!(!roster.add_server(&grant(&server(), 1, ServerStanding::Active)).unwrap(), "an old grant does not return");

    roster.add_server(&grant(&server(), 3, ServerStanding::Distrusted)).unwrap();
    assert!(roster.membership(&key(5).public()).is_none());
    assert!(matches!(roster.add(&cert(6, Role::Admin, 9)), Err(IdentityError::DistrustedServer(_))));
    roster.add(&Certificate::sign(&key(2), member(5, Role::Inspector, 2))).unwrap();
    assert!(roster.membership(&key(5).public()).is_some());
}

#[test]
fn rulings_and_receipts_count_from_servers_only() {
    let receipt = Receipt {
        epoch: Epoch([1; 8]),
        collection: county(511_902),
        from_seq: 1,
        to_seq: 2,
        at: at(0),
        count: 1,
        runs: Receipt::list_digest(&[(doc(), ChangeHash([1; 32]))]),
    };
    let roster = roster();
    assert!(roster.check_signer(&SignedReceipt::sign(&server(), receipt.clone())).is_ok());
    assert!(roster.check_signer(&SignedReceipt::sign(&key(5), receipt)).is_err());
}

#[test]
fn a_receipt_is_for_its_runs_and_no_others() {
    let runs = [(doc(), ChangeHash([1; 32])), (doc().with_kind(DocKind::Case), ChangeHash([2; 32]))];
    let receipt = Receipt {
        epoch: Epoch([1; 8]),
        collection: county(511_902),
        from_seq: 1,
        to_seq: 2,
        at: at(0),
        count: 2,
        runs: Receipt::list_digest(&runs),
    };
    assert!(receipt.covers(&runs));
    assert!(!receipt.covers(&runs[..1]));
    assert!(!receipt.covers(&[runs[1], runs[0]]));
    assert!(!receipt.covers(&[runs[0], (doc(), ChangeHash([2; 32]))]));
    assert!(!Receipt { count: 3, ..receipt }.covers(&runs));
}

#[test]
fn a_field_of_a_newer_version_survives_and_stays_signed() {
    let mut body = Certificate::sign(&server(), member(5, Role::Inspector, 1)).body().to_vec();
    assert_eq!(body[0], 0xa8, "a map of eight: no level");
    body[0] = 0xa9;
    body.extend_from_slice(&[0x18, 0x63, 0x82, 0x01, 0xf6]);
    let signature = server().sign(Purpose::Membership, &body);
    let bytes = minicbor::to_vec((minicbor::bytes::ByteVec::from(body), server().public(), signature)).unwrap();
    let newer = Certificate::from_bytes(&bytes).unwrap();
    assert_eq!(newer.value(), &member(5, Role::Inspector, 1));
    assert_eq!(newer.to_bytes(), bytes);
    assert!(roster().add(&newer).unwrap());
}

#[test]
fn contradictory_or_oversized_content_is_refused() {
    let long = Membership { name: "名".repeat(101), ..member(5, Role::Inspector, 1) };
    let backwards = Membership { not_after: at(-1), ..member(5, Role::Inspector, 1) };
    for bad in [long, backwards] {
        let bytes = Certificate::sign(&server(), bad).to_bytes();
        assert!(matches!(Certificate::from_bytes(&bytes), Err(IdentityError::Malformed { .. })));
    }
    let huge = vec![0; 10_000];
    assert!(matches!(Certificate::from_bytes(&huge), Err(IdentityError::TooLarge { .. })));
    // A list announced with 2^60 elements ends where the bytes end.
    let mut body = minicbor::to_vec(0_u8).unwrap();
    body.splice(.., [0xa1, 0x02, 0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0]);
    let parts = (minicbor::bytes::ByteVec::from(body), server().public(), key(1).sign(Purpose::Ruling, b""));
    assert!(SignedRuling::from_bytes(&minicbor::to_vec(parts).unwrap()).is_err());
}

#[test]
fn every_cut_of_a_certificate_is_refused() {
    let bytes = cert(5, Role::Supervisor, 1).to_bytes();
    for end in 0..bytes.len() {
        assert!(Certificate::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
    }
    let long = [&bytes[..], &[0]].concat();
    assert!(matches!(Certificate::from_bytes(&long), Err(IdentityError::Invalid { .. })));
}

#[test]
fn no_bent_byte_of_a_certificate_is_believed() {
    let good = cert(5, Role::Supervisor, 1).to_bytes();
    for index in 0..good.len() {
        let mut bent = good.clone();
        bent[index] ^= 0x01;
        let believed = Certificate::from_bytes(&bent).is_ok_and(|cert| roster().add(&cert).is_ok());
        assert!(!believed, "byte {index}");
    }
}

/// A chunk with the right magic and checksum: what is inside is admission's business.
fn chunk(content: &[u8]) -> Vec<u8> {
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(content);
    [&[0x85, 0x6f, 0x4a, 0x83][..], &hash[..4], content].concat()
}

#[test]
fn a_run_is_signed_by_its_last_change_for_its_document() {
    let run = SignedRun::sign(&key(5), doc(), vec![chunk(b"\x01first"), chunk(b"\x01second")]).unwrap();
    let signer = key(5).public();
    assert_eq!(run.verify(&signer).unwrap(), change_hash(&chunk(b"\x01second")).unwrap());
    assert!(run.verify(&key(6).public()).is_err());
    assert!(SignedRun { doc: doc().with_kind(DocKind::Case), ..run.clone() }.verify(&signer).is_err());
    let mut shorter = run.clone();
    shorter.changes.pop();
    assert!(shorter.verify(&signer).is_err());
    let empty = SignedRun { changes: Vec::new(), ..run.clone() };
    assert!(matches!(empty.verify(&signer), Err(IdentityError::Invalid { .. })));
    assert_eq!(SignedRun::from_bytes(&run.to_bytes()).unwrap(), run);
    assert!(SignedRun::sign(&key(5), doc(), Vec::new()).is_none());
}

#[test]
fn a_change_with_a_wrong_checksum_has_no_name() {
    let good = chunk(b"\x01content");
    assert!(change_hash(&good).is_some());
    for index in 0..good.len() {
        let mut bent = good.clone();
        bent[index] ^= 1;
        assert!(change_hash(&bent).is_none(), "byte {index}");
    }
    assert!(change_hash(&good[..8]).is_none());
}

#[test]
fn a_run_over_its_limits_is_refused() {
    let decode = |changes: Vec<Vec<u8>>| {
        let run = SignedRun { doc: doc(), changes, signature: key(5).sign(Purpose::Change, b"") };
        SignedRun::from_bytes(&run.to_bytes())
    };
    assert!(decode(vec![vec![0; MAX_CHANGE_BYTES], vec![0; MAX_CHANGE_BYTES]]).is_ok());
    assert!(decode(vec![vec![0; MAX_CHANGE_BYTES + 1]]).is_err());
    assert!(decode(vec![vec![0; MAX_CHANGE_BYTES], vec![0; MAX_CHANGE_BYTES], vec![0]]).is_err());
    assert!(decode(vec![vec![]; MAX_RUN_CHANGES]).is_ok());
    assert!(decode(vec![vec![]; MAX_RUN_CHANGES + 1]).is_err());
    assert!(decode(Vec::new()).is_err());
}

#[test]
fn an_unknown_reason_is_kept_by_number() {
    for code in 0..20 {
        assert_eq!(RulingReason::from_code(code).code(), code);
    }
    assert_eq!(RulingReason::from_code(5), RulingReason::Equivocation);
    assert_eq!(RulingReason::from_code(99), RulingReason::Other(99));
}

#[track_caller]
fn check_golden<T: Signable + PartialEq + std::fmt::Debug>(signed: &Signed<T>, by: &PublicKey, expected: &str) {
    assert_eq!(data_encoding::HEXLOWER.encode(&signed.to_bytes()), expected);
    let bytes = data_encoding::HEXLOWER.decode(expected.as_bytes()).unwrap();
    let read = Signed::<T>::from_bytes(&bytes).unwrap();
    assert_eq!(read.verify_by(by).unwrap(), signed.value());
}

#[test]
fn released_certificates_stay_readable() {
    check_golden(
        &grant(&server(), 1, ServerStanding::Active),
        &root().public(),
        "83583da50058208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c0169e5b7b4e4b8ade5b882021b00000174876e800003010400582097ffc883c80bee7237ef95d9b9b703d4ad63e60a21e605867682b75b8b3f430358403637b0704c9d391a0fff50e0d79d7bf01e0e0c562f59f4d1464815ef1f66152ce7c3c42ac93c9f6b5dbce95f623cd5a7b5e76fc99cfa026c1970a3b89e7e2606",
    );
    check_golden(
        &cert(5, Role::Supervisor, 3),
        &server().public(),
        "835864a90058206e7a1cdd29b0b78fd13af4c5598feff4ef2a97166e3ca6f2e4fbfccd80505bf10150050505050505050505050505050505050266e69d8ee6988e0302040005821a0007cf9e1a0007cf9f061b00000174876e8000071b00000174877dc240080358208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c58403f54977b9f0839cfe57d949e792829bca836e1a1ccd54a4b7391f335f3f8886c8e205e001ad9cbf897fd7250cd1eb86ddfd259904b276e8cf83ecf4495a0d801",
    );
    check_golden(
        &revocation(5, 100),
        &server().public(),
        "835843a40058206e7a1cdd29b0b78fd13af4c5598feff4ef2a97166e3ca6f2e4fbfccd80505bf1011b00000174877006a0026ce6898be69cbae4b8a2e5a4b1036561646d696e58208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c58402e2e409af699657a48d7558b502aeb588b78d24441df893cdf0f6f8e2490ab2b9a1fcd1b291dad59c718c76ecaa7a851e0c7c979883c601dd9b649cdb0c6060b",
    );
}

#[test]
fn released_receipts_and_rulings_stay_readable() {
    let runs = Receipt::list_digest(&[(doc(), ChangeHash([1; 32]))]);
    let (epoch, collection) = (Epoch([1; 8]), county(511_902));
    let receipt = Receipt { epoch, collection, from_seq: 1, to_seq: 2, at: at(0), count: 1, runs };
    check_golden(
        &SignedReceipt::sign(&server(), receipt),
        &server().public(),
        "835844a700480101010101010101011a0007cf9e02010302041b00000174876e80000501065820ad29f6458406e5ae74f16f35930ffb465dec2871224338aec47c35181f4602d958208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c58408c44ea2581252c64ba3985abbd1604498e9fe7a4d6be0d0c896e96a4ba6338bd3b35d45747fae28bb731f78366b05ce099f4c51b663d96a125af1231d34a7f04",
    );
    let file = BlobReceipt { sha256: BlobHash([2; 32]), bytes: 4_000_000, at: at(0) };
    check_golden(
        &SignedBlobReceipt::sign(&server(), file),
        &server().public(),
        "835834a30058200202020202020202020202020202020202020202020202020202020202020202011a003d0900021b00000174876e800058208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c58409b7304012ac7f59b2822d5aced8dde5c1444cd37e2e3c06ec21586ec458b33af5b48cdbb3757e0c05c11fec85d189fcd43a3a5019c9abc8679de0f7dfec9d90f",
    );
    let ruling = Ruling {
        doc: doc(),
        run: ChangeHash([1; 32]),
        changes: vec![ChangeHash([1; 32])],
        verdict: Verdict::Held,
        reason: RulingReason::Revoked,
        who: "server".to_owned(),
        at: at(0),
        serial: 1,
        note: None,
    };
    check_golden(
        &SignedRuling::sign(&server(), ruling),
        &server().public(),
        "835876a8005407cf9e66070707070707070707070707070707070158200101010101010101010101010101010101010101010101010101010101010101028158200101010101010101010101010101010101010101010101010101010101010101030004010566736572766572061b00000174876e8000070158208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c58402015edc29f319c9cfff8ebedc592577be7efc04f486fabbbb7d2340533e8e8995cab7763de498f11d3e0b4ac65fbfe4bae57e6cb72b435ed760dee0909d80702",
    );
}

#[test]
fn released_runs_and_statements_stay_readable() {
    let run = SignedRun::sign(&key(5), doc(), vec![chunk(b"\x01first")]).unwrap();
    assert_eq!(
        data_encoding::HEXLOWER.encode(&run.to_bytes()),
        "835407cf9e6607070707070707070707070707070707814e856f4a830cc9495801666972737458407bf4ef51247d6c1e2527ebe7e0583ba0f2cc63689502c2716749ff542c3af68edafbc95f211e8a9c8f47d495e164bc3bab843fc2712e3d5729c97be212992308"
    );

    let line = StatementLine { collection: county(511_902), digest: Digest([3; 32]), count: 400, held: 2, seq: 900 };
    let (acceptor, initiator) = (server().public(), key(5).public());
    let (session, epoch) = ([4; 16], Epoch([1; 8]));
    let statement = Statement { acceptor, initiator, session, epoch, at: at(0), lines: vec![line] };
    let (by_acceptor, by_initiator) = (statement.sign(&server()), statement.sign(&key(5)));
    let signed = SignedStatement { statement, by_acceptor, by_initiator };
    assert_eq!(
        data_encoding::HEXLOWER.encode(&signed.to_bytes()),
        "838658208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c58206e7a1cdd29b0b78fd13af4c5598feff4ef2a97166e3ca6f2e4fbfccd80505bf150040404040404040404040404040404044801010101010101011b00000174876e800081851a0007cf9e58200303030303030303030303030303030303030303030303030303030303030303190190021903845840336a72f3dae3036af357350abd2283855ae1b84c547d3167b88a7d49e1b614f0dd1af07675a7aaa7c8ee5440035900709fd3cb18070831a50631f3fc75491d025840a006b8b699f3de0c2337479b3fcba242a2c3db5af49ce5039fdae07fc80bb52827a221dc30c39295a781d02479693f461be3fbaaa63b87142142580ae2703a02"
    );
    assert!(signed.verify().is_ok());
}

mod hostile {
    use proptest::prelude::*;

    use super::*;

    fn read_as_everything(bytes: &[u8]) {
        let _ = Certificate::from_bytes(bytes);
        let _ = ServerCert::from_bytes(bytes);
        let _ = SignedRevocation::from_bytes(bytes);
        let _ = SignedRuling::from_bytes(bytes);
        let _ = SignedReceipt::from_bytes(bytes);
        let _ = SignedStatement::from_bytes(bytes);
        let _ = SignedRun::from_bytes(bytes);
        let _ = minicbor::decode::<Ticket>(bytes);
        let _ = read_key_file(bytes, KeyUse::Device);
        let _ = String::from_utf8_lossy(bytes).parse::<Ticket>();
        let _ = from_spki_der(bytes);
        let _ = change_hash(bytes);
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            read_as_everything(&bytes);
        }

        #[test]
        fn no_bent_bytes_make_a_reader_panic(
            which in 0..3_usize, edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
        ) {
            let run = SignedRun::sign(&key(5), doc(), vec![chunk(b"\x01first")]).unwrap();
            let mut bytes = [cert(5, Role::Supervisor, 1).to_bytes(), revocation(5, 1).to_bytes(), run.to_bytes()][which].clone();
            for (index, byte) in edits {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
            read_as_everything(&bytes);
            if let Ok(cert) = Certificate::from_bytes(&bytes) {
                // Whatever it says now: it is believed only if nothing was bent after all.
                let believed = roster().add(&cert).is_ok();
                prop_assert_eq!(believed, bytes == super::cert(5, Role::Supervisor, 1).to_bytes());
            }
        }
    }
}
