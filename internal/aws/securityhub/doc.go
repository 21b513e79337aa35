// Package securityhub imports alerts into the AWS Security Hub of the guard's
// own account and Region, as findings of its default product.
//
// # Beside the people, not before them
//
// The alerts that come here are those that were published: a function is
// subscribed to the topic of alerts like any other receiver. The guard knows
// nothing of it, and that is what makes it safe:
//
//   - A Security Hub that is down, throttles or is not enabled holds no alert back
//     and repeats none. A second publisher in the guard would: as long as it
//     fails, an event's claim is not completed, and a window's roll-up, behind which
//     others wait, is not sent.
//   - Nothing is lost. Amazon SNS delivers to a function at least once, and tries
//     for 23 days where Lambda cannot be reached; what it gives up, it leaves in
//     the queue of undelivered events. Lambda tries the function three times, then
//     leaves the message in the queue of failed events. `rootguard redrive` reads
//     both.
//   - Nothing is doubled. What is delivered twice is one finding, because its ID is
//     that of the finding (alert.ASFF), and so is the extra copy of an alert that a
//     crash of the guard may cost. There is no claim to take, nor to leave behind.
//
// What is late or redriven says so by UpdatedAt, which is when the alert was
// published, and not when it got through.
//
// Only the guard's own account and Region import, as BatchImportFindings demands
// of the default product; a member account is among the finding's Resources.
package securityhub
