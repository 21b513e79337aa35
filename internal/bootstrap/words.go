package bootstrap

// Words say what the step is about, as a statement that is true when it is done.
func (s Step) Words() string {
	switch s {
	case RootMFA:
		return "Root user has MFA"
	case RootKeysAbsent:
		return "Root user has no access key"
	case AdminUser:
		return "An administrator exists"
	case AdminSignedIn:
		return "The administrator has signed in"
	case AdminPasswordChanged:
		return "The administrator changed the first password"
	case AdminMFA:
		return "The administrator has MFA"
	case RootQuiet:
		return "Root user is left alone"
	default:
		return string(s)
	}
}

// AwaitsMFA reports whether the user is there, can sign in and has no MFA.
func (u *UserStatus) AwaitsMFA() bool {
	return !u.Deleted && (u.MFA == MFAPending || u.MFA == MFAMissing)
}
