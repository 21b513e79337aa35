// Package guardtest is what every adapter of the guard's ports must do, as tests.
package guardtest
