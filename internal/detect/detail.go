package detect

// AddDetail appends a sentence to the finding's detail.
func (f *Finding) AddDetail(sentence string) {
	if f.Detail != "" {
		sentence = f.Detail + " " + sentence
	}
	f.Detail = sentence
}
