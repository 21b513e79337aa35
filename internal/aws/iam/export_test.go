package iam

// Kept is how many accounts' clients are kept.
func (a *Accounts) Kept() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.clients)
}
