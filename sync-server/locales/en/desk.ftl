# Pages of review, conflicts, duplicates, milestones.
menu-decide = Decide
nav-review = Review
nav-conflicts = Conflicts
nav-duplicates = Possible duplicates
nav-assess = Assessment
pace = { $waiting } wait, { $reviewed } reviewed in seven days
pace-median = median wait
pace-longest = longest wait
pace-empty = empty at this pace in
pace-never = nothing was reviewed in seven days
pace-needed = Pace needed
per-week = { $count } a week
hours = { $count } h
days = { $count ->
    [one] { $count } day
   *[other] { $count } days
}
review-waiting = waiting for review
review-clean = only those without findings
review-none = No record waits for review
inspector = Inspector
errors-warnings = Errors / warnings
waits = Waits
claimed-by = In review by
again = handed in again
whole-file = Whole file
claim-take = Take it
claim-release = Give it back
undo = Undo my last decision
returned-before = Returned before for “{ $reasons }”; below is only what changed since.
record-conflicts = Open conflicts: decide them before approving
record-duplicates = Possible duplicates: { $count }
changed-since = Changed since the last review
before = Before
now = Now
nothing-changed = Nothing changed
desk-decide = Decide
sections-all = Sections (none: all)
return-reasons = Reasons of a return
note = Note
approve = Approve
return = Return
settle = Settle on the picked one
distance = Distance
device-time = Device time
received = Received
conflicts-sub = Where one fact has several values, a reviewer picks one; the decision names what it overrules.
conflicts-none = No conflicts
duplicates-sub = Found by distance, water, bank, name, code and photographs. Nothing merges by itself.
duplicates-none = No possible duplicates
link = { $goes } is a duplicate of { $stays }
tell-apart = Two outlets
tell-apart-why = Why these are two outlets
pair-near = within both accuracies
pair-gcj02-offset = exactly one datum shift apart
pair-same-code = same code
pair-same-photo = same photograph
pair-like-photos = photographs look alike
pair-like-names = names read alike
pair-same-waterbody = same water
pair-same-bank = same bank
pair-other-waterbody = different waters
pair-other-bank = opposite banks
desk-stale = The record has changed since the page was opened; nothing was written. Look at the changes, then decide.
refused-proposal = Nothing was written. ({ $why })
refused-since = Since then:
done-claimed = Taken: nobody else reviews it for twenty minutes
done-released = Given back
done-approved = Approved; it can be undone for ten minutes
done-returned = Returned: the inspector's device shows the reasons at its next sync
done-undone = Undone
done-settled = Settled
done-linked = Linked as a duplicate; the link can be lifted at any time
done-told-apart = Recorded as two outlets
as-of-day = As of
by = Grouped by
by-unit = management unit
by-county = county
by-township = township
by-basin = basin
by-waterbody = receiving water
by-water-function-zone = water function zone
by-control-unit = control unit
by-section = section
by-reach = river reach
by-chief = river chief
by-party = responsible party
open-outlets = Open
addressee = Addressee
days-late = Late
assess-called = To account
group-on-time = reached on time
group-late = { $count ->
    [one] reached one day late
   *[other] reached { $count } days late
}
group-behind = { $count ->
    [one] behind by one outlet
   *[other] behind by { $count } outlets
}
group-open = not due, needs { $count } more
group-documents-missing = share reached, a seal is missing
group-scale-undetermined = { $count ->
    [one] share reached, scale of one outlet open
   *[other] share reached, scale of { $count } outlets open
}
group-not-applicable = not applicable
whose-inspector = inspectors
whose-county = county
whose-city = city
whose-party = party
likeness = likeness { $score }
figure-done = done
figure-of = counted
figure-open = not done
figure-on_time = done on time
figure-late = done late
figure-extended = extended
