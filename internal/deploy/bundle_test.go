package deploy_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"rootguard/internal/deploy"
)

// bundle is a small one, as files.
func bundle(t *testing.T, change func(files fstest.MapFS, m *deploy.Manifest)) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	m := deploy.Manifest{Version: "1.2.3", Prefix: "rootguard", Partition: "aws"}
	for _, name := range []string{deploy.TemplateGuard, deploy.TemplateSecond, deploy.TemplateForward} {
		text := []byte(`{"Description": "` + name + `"}`)
		files[name+".template.json"] = &fstest.MapFile{Data: text}
		m.Templates = append(m.Templates, deploy.File{Name: name, File: name + ".template.json", SHA256: deploy.Sum(text)})
	}
	code := []byte("an archive of sweep")
	file := deploy.ArchiveFile("sweep", deploy.Sum(code))
	files[file] = &fstest.MapFile{Data: code}
	m.Archives = append(m.Archives, deploy.Archive{Name: "sweep", File: file, SHA256: deploy.Sum(code)})
	if change != nil {
		change(files, &m)
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	files[deploy.ManifestFile] = &fstest.MapFile{Data: text}
	return files
}

func TestReadBundle(t *testing.T) {
	b, err := deploy.ReadBundle(bundle(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := b.Template(deploy.TemplateSecond); err != nil || string(text) != `{"Description": "second"}` {
		t.Errorf("%s, %v", text, err)
	}
	if data, err := b.Archive(b.Archives[0]); err != nil || string(data) != "an archive of sweep" {
		t.Errorf("%s, %v", data, err)
	}
	if _, err := deploy.ReadBundle(fstest.MapFS{}); !errors.Is(err, deploy.ErrNoBundle) {
		t.Errorf("an empty folder: %v", err)
	}
	for want, change := range map[string]func(fstest.MapFS, *deploy.Manifest){
		"guard.template.json: file does not exist": func(f fstest.MapFS, _ *deploy.Manifest) { delete(f, "guard.template.json") },
		"download the release again":               func(f fstest.MapFS, _ *deploy.Manifest) { f["guard.template.json"].Data[3] = 'd' },
		`no template "forward"`:                    func(_ fstest.MapFS, m *deploy.Manifest) { m.Templates = m.Templates[:2] },
		`"../x" is no name of a file`:              func(_ fstest.MapFS, m *deploy.Manifest) { m.Archives[0].File = "../x" },
	} {
		if _, err := deploy.ReadBundle(bundle(t, change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	broken := bundle(t, nil)
	broken[deploy.ManifestFile].Data = []byte("{")
	if _, err := deploy.ReadBundle(broken); err == nil || !strings.Contains(err.Error(), deploy.ManifestFile) {
		t.Errorf("a broken manifest: %v", err)
	}
}
