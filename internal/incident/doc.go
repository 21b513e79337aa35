// Package incident keeps what operators acknowledge, and sends it again until they
// do.
//
// The alerts of one session are one incident (see sessionOf). Book stores it after
// the event is claimed and before its alert is published, with the time at which it
// is sent again:
//
//   - a crash before it is stored has published nothing, and the redelivery does all
//     of it;
//   - a crash after it is stored, before or after publishing, leaves an incident that
//     Renotify sends again in time, whether the redelivery comes or not;
//   - the redelivery counts nothing twice, as the incident knows its alerts by ID;
//   - where it cannot be stored the alert goes out without, the claim says so
//     (guard.Claim.IncidentPending), and the redelivery stores it and sends nothing.
//
// Renotify sends under a claim of its own, named by incident, cycle and number, and
// then moves the incident on. A crash between sends nothing twice: the next run
// finds the claim sent. It reads the incident again before each resend, so at most
// one is on its way when an operator acknowledges. An acknowledgement is stored
// first, which stops the resends, with the incident due at once; it is no longer due
// when the note about it was sent, by Acknowledge or by the next Renotify.
package incident
