# Sentences and menu of the console. Names of columns, states and choices are in the tables that
# exports use, and in the dictionaries; not here.
app = Outlet ledger
skip = Skip to content
menu = Menu
menu-see = See
menu-exchange = Exchange
menu-administer = Administer
other-language = 中文
signout = Sign out
signin = Sign in
signin-for = Survey, review, rectification, milestones. Use the account that your administrator gave you.
signin-wrong = Account or password is wrong. After several wrong attempts you will have to wait.
signin-disabled = This account is disabled. Ask your administrator to enable it.
signin-wait = { $minutes ->
    [one] Too many wrong attempts: try again in one minute.
   *[other] Too many wrong attempts: try again in { $minutes } minutes.
}
login = Account
password = Password
no-front-end = Styles and scripts of the pages were not built: run "make web" and build the server again. Data and forms work.
part-failed = A part of the page could not be updated; open the page again
nav-dashboard = Overview
nav-outlets = Ledger
nav-exports = Exports
nav-devices = Devices and tickets
nav-quarantine = Held changes
nav-accounts = Accounts
nav-audit = Audit log
role-viewer = viewer
role-county = county supervisor
role-city = city supervisor
role-admin = administrator
fault-title = This did not work
fault-back = Back to the overview
fault-not-found = There is no such page or record, or your account may not see it. Check the address, or open it from the ledger again.
fault-forbidden = Your account has no right to do this. Ask your administrator if you need it.
fault-forged = This form was not sent from a page of your present session; nothing was saved. Open the page again and send it from there.
fault-too-large = What was sent is larger than allowed; nothing was saved. Send it in parts, or smaller.
fault-bad-request = The address or form cannot be read; nothing was saved. Go back to the page and try again.
fault-internal = The server failed inside; nothing was saved. Its log says why: please tell your administrator.
fault-stopped = The server takes nothing new for now (its disk is nearly full, or its clock is wrong). Please tell your administrator.
as-of = As of { $day }
milestones = Milestones
milestones-readings = Two readings of each milestone: as known now (every fact known today) and as reported then (what the ledger held when it was due).
milestone = Milestone
target = target
done-of = done / of
share = share
count-records = outlet records
