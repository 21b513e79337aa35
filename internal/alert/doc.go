// Package alert turns a finding into what people and machines receive.
package alert
