package alert_test

import (
	"fmt"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
)

// The text of an e-mail answers in its first lines what happened, who did it, from
// where, when, in which account, and what to do next.
func ExampleText() {
	user := detect.Target{UserName: "bob", UserID: "AIDAEXAMPLEBOB"}
	since := time.Date(2026, 3, 1, 9, 15, 0, 0, time.UTC)
	a := alert.Alert{
		Kind: alert.First, AccountName: "data-lake",
		Finding: detect.MFAMissing("111122223333", user, since, since.Add(24*time.Hour), "password by CreateLoginProfile"),
	}
	fmt.Println(alert.Subject(a))
	fmt.Print(alert.Text(a))
	// Output:
	// [HIGH] IAM user still without MFA: bob - data-lake (111122223333)
	// What:    [HIGH] IAM user still without MFA: bob
	// Who:     IAM user bob
	// From:    a check by rootguard, no call
	// When:    Mon 2026-03-02 09:15:00 UTC
	// Account: data-lake (111122223333)
	// Do next: Have the user enable MFA today, or delete the console password: aws iam delete-login-profile --user-name bob.
	//
	// User:    bob (AIDAEXAMPLEBOB)
	// MFA:     missing
	// Detail:  Console password since Sun 2026-03-01 09:15:00 UTC, MFA was due by Mon 2026-03-02 09:15:00 UTC;
	//          password by CreateLoginProfile.
	// Forward: Please protect your IAM user bob in AWS account data-lake (111122223333) with MFA today, since its
	//          password alone opens the account: sign in to the AWS console as always, choose your user name at the
	//          top right, Security credentials, Assign MFA device, and follow the steps. If a step is denied,
	//          answer this mail. No one needs your password or a code from you.
	// user.mfa.missing | event user.mfa.missing/111122223333/AIDAEXAMPLEBOB/2026-03-02T09:15:00Z | CIS 1.10 | ATT&CK T1078.004
}
