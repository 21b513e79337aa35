"""Has moto's CloudFormation update stacks as AWS does.

Python imports a module of this name when it starts, so that PYTHONPATH is all it
takes. Without it, moto 5.2.1

- forgets a resource of a type that it cannot update (a table, a topic's policy), so
  that the update after it fails on whatever refers to that;
- makes, and changes, a resource whose condition does not hold;
- sees no change where a parameter decides a condition;
- keeps the outputs and the template of before when a change set is executed;
- gives a number where a resource refers to a parameter of that type;
- leaves a null in a list where a value is AWS::NoValue;
- deletes what is to be retained, except on creation;
- reads a template with a YAML parser in Python, which takes seconds.
"""

import json
import sys

if any("moto_server" in arg for arg in sys.orig_argv):
    from moto.cloudformation import models, parsing, responses
    from yaml import Loader, load as load_yaml

    def read_template(text, Loader=Loader):
        try:
            return json.loads(text)
        except ValueError:
            return load_yaml(text, Loader=Loader)

    models.yaml.load = responses.yaml.load = read_template

    clean = parsing.clean_json

    def clean_json(value, resources):
        if isinstance(value, list):
            cleaned = [(clean_json(one, resources), one) for one in value]
            return [one for one, raw in cleaned if one is not None or raw is None]
        return clean(value, resources)

    parsing.clean_json = clean_json

    load = parsing.ResourceMap.load_parameters

    def load_parameters(self):
        load(self)
        for name, value in self.resolved_parameters.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                self.resolved_parameters[name] = self._parsed_resources[name] = str(value)

    parsing.ResourceMap.load_parameters = load_parameters

    def holds(resources, resource):
        condition = resource.get("Condition")
        return not condition or resources.lazy_condition_map[condition]

    create = parsing.parse_and_create_resource
    update = parsing.parse_and_update_resource

    def parse_and_update_resource(logical_id, resource_json, resources_map, account_id, region_name):
        before = resources_map._parsed_resources.get(logical_id)
        if not holds(resources_map, resource_json):
            if before is not None:
                resources_map._delete_resource(before, resource_json)
            return None
        if before is None:
            return create(logical_id, resource_json, resources_map, account_id, region_name)
        changed = update(logical_id, resource_json, resources_map, account_id, region_name)
        return before if changed is None else changed

    parsing.parse_and_update_resource = parse_and_update_resource

    def parameters_of(part, conditions, seen):
        """The parameters that a part of a template refers to, by its conditions too."""
        if isinstance(part, list):
            return set().union(*(parameters_of(one, conditions, seen) for one in part), set())
        if not isinstance(part, dict):
            return set()
        found, names = set(), []
        for key, value in part.items():
            if key == "Ref":
                found.add(value)
            elif key == "Condition" and isinstance(value, str):
                names.append(value)
            elif key == "Fn::If":
                names.append(value[0])
            if key != "Ref":
                found |= parameters_of(value, conditions, seen)
        for name in names:
            if name not in seen:
                found |= parameters_of(conditions.get(name), conditions, seen | {name})
        return found

    differ = parsing.ResourceMap.build_resource_diff

    def build_resource_diff(self, other_template, parameters=None):
        by_action = differ(self, other_template, parameters)
        changed = {p for p in parameters or {} if self.input_parameters.get(p) != parameters[p]}
        conditions = other_template.get("Conditions", {})
        for name, new in other_template["Resources"].items():
            known = name in by_action["Add"] or name in by_action["Modify"]
            if not known and changed & parameters_of(new, conditions, frozenset()):
                by_action["Modify"].append(name)
        return by_action

    parsing.ResourceMap.build_resource_diff = build_resource_diff

    delete = parsing.ResourceMap.delete

    def delete_resources(self):
        for resource in self._resource_json_map.values():
            if resource.get("DeletionPolicy") == "RetainExceptOnCreate":
                resource["DeletionPolicy"] = "Retain"
        delete(self)

    parsing.ResourceMap.delete = delete_resources

    def diff(self):
        actions = self.stack.resource_map.build_resource_diff(self.template_dict, self.parameters)
        old, new = self.stack.resource_map._resource_json_map, self.template_dict["Resources"]
        return [
            models.Change(action, name, (old if action == "Remove" else new)[name]["Type"])
            for action, names in actions.items()
            for name in names
        ]

    models.ChangeSet.diff = diff

    def apply(self):
        self.stack.resource_map.update(self.template_dict, self.parameters)
        self.stack.template, self.stack.template_dict, self.stack.parameters = self.template, self.template_dict, self.parameters
        self.stack.output_map = self.stack._create_output_map()

    models.ChangeSet.apply = apply
