// Package quarantine attaches a policy to users past the last reminder, which lets
// them do nothing but enable MFA, and takes it off again.
//
// The sweep marks a user, before it moves the user on. The Worker, in a function of
// its own that alone may write to IAM, takes it from there; its steps are described
// at Worker.Quarantine. The row says how far it has come and is written last:
// whatever a crash leaves undone is done again from the row, and all of it can be. A
// release is a request written into the row, by anyone who may write to the table,
// which the same function grants: so one role changes IAM, and any other detachment
// of the policy is guard.tampered.
package quarantine
