// Package alert turns a finding into what people and machines receive: an
// e-mail's subject and text, a line for the terminal, a JSON body, a custom
// notification for Amazon Q Developer in chat applications, and for systems that
// keep findings an OCSF Detection Finding and the AWS Security Finding Format.
//
// # Text from a log
//
// User names, session names, user agents, error messages, resource names and account
// names come from the caller. For some findings that is anyone on the
// Internet: a failed root sign-in needs no more than an e-mail address. So no text of
// an alert reaches a person but through Display, which every title, detail, name and
// step passes (TestNoFieldMakesALink fills each field and fails where one does not):
//
//   - Control characters, escape sequences, direction overrides and invisible
//     characters are written as escapes such as \u202e, white space is one space, and
//     long text ends in "...".
//   - What a mail reader, chat client or phone would link is defanged: "evil[.]com",
//     "jane[@]example[.]com", "https[:]//", "198[.]51[.]100[.]7",
//     "[+]188[-]855[-]501[-]00". A name with a dot that is no host, such as
//     first.last, stays as it is. Full-width and similar characters are written in
//     ASCII first.
//   - Of a user agent only a known browser, SDK or tool and its version are named.
//
// The HTML report shows text in the same way, with the whole user agent.
//
// These are shown whole, so that they can be copied: account IDs, Regions, event IDs,
// finding IDs, access key IDs, the source address where it is an IP address, the name
// of an AWS service of one label ("cloudformation.amazonaws.com") where no path
// follows it, and ARNs but for a host or an "@" in them. A command holds names as they
// are displayed, since a mail reader links within a command too: one with a dot or
// an "@" is to be taken from rootguard findings --json.
//
// The JSON body, the machine fields of OCSF and ASFF, and the message's attributes have
// text as it was, in JSON's own escapes.
//
// # Schema rootguard.alert/1
//
// Fields are only ever added; a change of meaning is a new version. Times are
// RFC 3339 in UTC. A field marked + is left out where it is empty.
//
//	schema           "rootguard.alert/1"
//	id               of the alert, derived from what it reports: drop a second one with the same id
//	kind             "first", "roll_up" (the repeats of a first within the window, in one) or
//	                 "escalation" (repeats passed a threshold, sent at once) or "resend" (of an incident
//	                 that no one has acknowledged), "digest" (the status of all accounts, at a fixed time)
//	                 or "summary" (several findings that are reported together)
//	account_name     + what the owner calls the account
//	finding          what happened, see below; of a roll-up or escalation, the event that opened it
//	incident         + what the alert belongs to, see below
//	deadline         + until when missing MFA is tolerated, of user.created and user.console_access
//	digest           + the status of all accounts, of a digest, see below
//	summary          + the findings that a summary, or a resend of several incidents, is about, see below
//	count            + events that a roll-up or escalation reports
//	actions          + the calls among them, at most 200: objects of name ("iam:CreateUser"),
//	                 target (+, on what) and count
//	actions_omitted  + events whose call is not listed
//	first_time       + of the earliest event
//	last_time        + of the latest event
//	late             + true of a roll-up of which no event was alerted when it came, since too many
//	                 alerts were due at once
//	version          + of the rootguard that sends it: "v1.4.0 (abc1234)", or "dev" where it does not know
//
// Of finding:
//
//	id            of the kind of finding, such as "root.signin.no_mfa"
//	severity      "info", "low", "medium", "high" or "critical"
//	title         of this occurrence, without the account
//	detail        + more, for people
//	also          + ids of further findings that the same record matches
//	account       account ID
//	region        + awsRegion of the record
//	event_time    of the record
//	event_id      eventID of the record; unique, also where rootguard itself made the finding
//	event_source  + such as "signin.amazonaws.com"
//	event_name    + such as "ConsoleLogin"; left out where no call was made
//	error_code    + of a denied or failed attempt
//	source_ip     + sourceIPAddress: an address, or the name of an AWS service
//	user_agent    + of the caller
//	actor         who did it: type (userIdentity.type), name (+, "root" for the root user), arn (+),
//	              principal_id (+), access_key_id (+)
//	target        + that or what it was done to: user_name (+), user_id (+, AIDA…), resource (+)
//	subject       + what rootguard itself is reporting on, see below
//	mfa_due       + of a user without MFA: at (the deadline), reminder (+, which it is), reminders (+, of how many)
//	mfa           "yes", "no" or "unknown": whether MFA was used, where the record can say it
//	announced     + that someone announced the use of root, see below
//	session       + names the session that the record belongs to
//	cis           + controls of the CIS AWS Foundations Benchmark
//	attack        + ids of MITRE ATT&CK techniques
//	next_step     one sentence of runbook
//
// Of subject, in finding (+): of a finding that no record shows but rootguard made.
// What opens it, each reminder and the note that it is over have one subject:
//
//	id     the same in all of them
//	phase  + "updated" of a reminder and where it is worse, "resolved" where it is over
//	began  + when it began
//
// Of announced, in finding (+): that the use of root was announced for its time:
//
//	id                 of the announcement
//	owner              who answers for it
//	reason             why root is used
//	until              when it ends
//	original_severity  what the severity would be without
//
// Of incident:
//
//	id               to acknowledge it by
//	events           alerted so far, those of this alert included
//	opened           when its first alert was made
//	first            + of its earliest event
//	acknowledged_by  + who looks after it
//	acknowledged_at  + since when
//	snoozed_by       + who put its resends off
//	snoozed_until    + until when
//	ack_flags        + what "rootguard ack" needs beside the ID to find the guard: "--region us-east-1"
//	reopened         + it was acknowledged before and is open again: title of the alert that opened it,
//	                 at (+, of its event), acknowledged_by, acknowledged_at (+)
//	repeat           + of a resend: which it is
//	repeats          + of how many
//
// Of summary, whose finding is about all that it lists; a finding that it lists is no
// other alert's:
//
//	account_count  how many accounts, and
//	finding_count  how many findings it is about, listed or not
//	ack_flags      + as in incident
//	accounts       those listed, the worst first: account, name (+), incident_id (+, of all its findings),
//	               omitted (+, findings that are not listed) and findings, which have
//	               finding (its id), severity, stage, at (+, its event_time), title (+, of what is about no user),
//	               user_name (+), user_id (+), mfa_due (+, as in finding), incident_id (+, of it alone),
//	               repeat (+) and repeats (+, as in incident), subject (+, as in finding, of a user reported before
//	               under another ID or deadline)
//
// A stage is "pending" (MFA is not due yet), "overdue", "reminder", "last_reminder",
// "resolved", "open" (a problem of root) or "repeat" (of an incident).
//
// Of digest, of which lists have the worst first:
//
//	at         + as of when
//	since      + as of when the digest before it was
//	next       + when the next one is due; next_text (+) is that in the operator's time zone
//	counts     accounts, bootstrapped, in_progress, regressed, awaiting_mfa (IAM users with a console password
//	           and no MFA), past_deadline (those whose deadline has passed), open_incidents, announcements,
//	           failing_checks (of rootguard itself), not_covered (accounts and Regions), drills (+, overdue)
//	sections   objects of id, title, lines (+, text for people) and more (+, lines left out)
//
// A body has at most 64 KiB: see JSON.
package alert
