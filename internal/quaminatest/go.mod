module rootguard/internal/quaminatest

go 1.26.0

replace (
	quamina.net/go/quamina => github.com/timbray/quamina v1.5.1
	rootguard => ../..
)

require (
	pgregory.net/rapid v1.3.0
	quamina.net/go/quamina v1.5.1
	rootguard v0.0.0
)

require github.com/klauspost/compress v1.20.3 // indirect
