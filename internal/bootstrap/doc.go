// Package bootstrap is the state machine of an account's bootstrap journey.
package bootstrap
