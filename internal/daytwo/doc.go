// Package daytwo is the second chapter of an account's journey: what is worth doing
// once an account is bootstrapped. Each step is chosen in the settings, and none
// counts for whether an account is bootstrapped. The package judges what was read of
// an account; it makes no request and has no clock.
package daytwo
